"""Packages of the user's own whose classes checkpoints and configuration files may name. No torch here."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from reenact.errors import ReenactError

OPTION = "--allow-package"
"""The option that names such a package, in every command that reads a checkpoint."""

_allowed: ContextVar[frozenset[str]] = ContextVar("allowed_packages", default=frozenset())


@contextmanager
def allow_packages(names: Iterable[str]) -> Iterator[None]:
    """Allow the classes of packages to be imported in this context, because a person named them.

    Args:
        names: packages or modules, `mymethods` or `lab.methods`; what lies in them is allowed, too.

    Raises:
        ReenactError: if a name is no package's, or belongs to Python itself.
    """
    token = _allowed.set(_allowed.get() | {_check_package(name) for name in names})
    try:
        yield
    finally:
        _allowed.reset(token)


def allowed_packages() -> frozenset[str]:
    """Return the packages that are allowed in this context."""
    return _allowed.get()


def is_allowed(class_path: str) -> bool:
    """Tell if a dotted class path lies in one of the allowed packages."""
    return any(class_path.startswith(f"{name}.") for name in _allowed.get())


def _check_package(name: str) -> str:
    top = name.partition(".")[0]
    if not all(part.isidentifier() for part in name.split(".")):
        raise ReenactError(f"{OPTION} {name}: is not the name of a package; give one such as mymethods")
    if top in sys.stdlib_module_names or top == "jsonargparse":
        raise ReenactError(f"{OPTION} {name}: no method comes from it; name the package of your own method")
    return name
