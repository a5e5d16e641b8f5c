"""Paths as text: what Python callers write, and the command line passes on as paths."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, get_args, get_type_hints

P = ParamSpec("P")
R = TypeVar("R")


def accept_text(function: Callable[P, R]) -> Callable[P, R]:
    """Let a function take text where its parameters are paths, lists of paths, or a path or None."""
    signature = inspect.signature(function)

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        bound = signature.bind(*args, **kwargs)
        hints = get_type_hints(function)
        for name, value in bound.arguments.items():
            if Path in (hints[name], *get_args(hints[name])):
                bound.arguments[name] = _as_path(value)
        return function(*bound.args, **bound.kwargs)

    return call


def _as_path(value: Any) -> Any:  # noqa: ANN401 - an argument of any function
    if isinstance(value, str):
        return Path(value)
    return [_as_path(entry) for entry in value] if isinstance(value, list | tuple) else value
