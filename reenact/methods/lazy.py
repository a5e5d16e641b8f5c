"""Names of a package that are imported when they are first used, so that the package itself imports no torch."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any


def load_lazily(package: str, **modules: str) -> Callable[[str], Any]:
    """Return the `__getattr__` of a package whose classes stand in its modules.

    Args:
        package: its name.
        modules: name of a class -> the module of the package that defines it.
    """

    def get_attribute(name: str) -> Any:  # noqa: ANN401 - any class
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{modules[name]}"), name)

    return get_attribute
