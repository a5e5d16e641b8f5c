"""Choices among words in the functions that Python callers and the command line share."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Literal, ParamSpec, TypeVar, get_args, get_origin, get_type_hints

from reenact.errors import ReenactError, suggest_names

P = ParamSpec("P")
R = TypeVar("R")
Precision = Literal["float32", "bf16", "fp16"]
"""Type of the numbers that networks compute with."""


def check_choices(function: Callable[P, R]) -> Callable[P, R]:
    """Refuse a word that the hint of a parameter, a `Literal` or a union with one, does not list.

    The command line checks its options itself; a Python caller's misspelt word would otherwise pass for another choice.

    Raises:
        ReenactError: if an argument is none of its parameter's words; the function is not called then.
    """
    signature = inspect.signature(function)

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        arguments = signature.bind(*args, **kwargs).arguments
        hints = get_type_hints(function)
        for name, value in arguments.items():
            choices = list_words(hints[name])
            if choices and value is not None and value not in choices:
                raise ReenactError(f"{name}={value!r}: no such choice; {suggest_names(str(value), choices)}")
        return function(*args, **kwargs)

    return call


def list_words(hint: object) -> list[str]:
    """List the words of a `Literal`, also of one in a union; none for other hints."""
    if get_origin(hint) is Literal:
        return [word for word in get_args(hint) if isinstance(word, str)]
    return [word for part in get_args(hint) if get_origin(part) is Literal for word in get_args(part)]
