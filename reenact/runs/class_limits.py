"""Limits of the classes that configuration files and options may name, for the parser and for files before it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from reenact.errors import ReenactError
from reenact.methods.registry import find_method_of_class
from reenact.packages import OPTION, is_allowed

PACKAGES = ("reenact", "pytorch_lightning", "lightning", "lightning_fabric", "torch", "torchmetrics", "wandb")
"""Packages whose classes any file may name that a person passes."""

REFUSED = (
    "torch.hub",
    "torch.load",
    "torch.jit",
    "torch.package",
    "torch.multiprocessing",
    "torch.utils.cpp_extension",
    "torch.utils.model_zoo",
    "torch.distributed.elastic",
    "torch.distributed.run",
    "torch.distributed.launch",
)
"""Parts of these packages that start programs or load code."""


_named: set[str] = set()
"""Class paths and packages that the parser may import beside those, in the context of `limited_classes`."""
_earlier: set[str] = set()
"""Classes of earlier contexts, which the parser refuses until they are named again, they or a package around them."""


def check_class(class_path: str, place: str = "") -> None:
    """Refuse a class of a package that nobody has named, unless an installed method offers it.

    Args:
        class_path: dotted.
        place: the file and key that name it.

    Raises:
        ReenactError: names the class and the option that allows it.
    """
    package = class_path.partition(".")[0]
    inside = package in PACKAGES and not any(f"{class_path}.".startswith(f"{part}.") for part in REFUSED)
    if inside or class_path in _named or is_allowed(class_path) or find_method_of_class(class_path) is not None:
        return
    raise ReenactError(
        f"{place}{class_path}: a file may name classes of {', '.join(PACKAGES)} alone; if you trust the package, add"
        f" {OPTION} {package}"
    )


def check_classes(content: object, place: str) -> None:
    """Refuse classes of other packages anywhere in settings; `place` names their file. Raises `ReenactError`."""
    waiting: list[tuple[str, object]] = [("", content)]
    while waiting:
        key, value = waiting.pop()
        if isinstance(value, dict):
            path = value.get("class_path")
            if isinstance(path, str) and "." in path:
                check_class(path, f"{place}: {key or 'class_path'} names ")
            waiting += [(f"{key}.{name}".strip("."), part) for name, part in value.items()]
        elif isinstance(value, list):
            waiting += [(key, part) for part in value]


@contextmanager
def limited_classes(classes: Iterable[str], packages: Iterable[str]) -> Iterator[None]:
    """Let the parser import nothing but the packages above and those that a person has named.

    The parser's settings hold for the whole process: outside of this context the named ones are refused again.

    Args:
        classes: class paths that a person or a preset has named.
        packages: packages that a person has named.
    """
    from jsonargparse import set_parsing_settings  # the checks above are made before any library is imported

    named = [path for path in dict.fromkeys((*classes, *packages)) if path.partition(".")[0] not in PACKAGES]
    again = [path for path in _earlier if any(f"{path}.".startswith(f"{name}.") for name in named)]
    set_parsing_settings(
        import_path_denylist=["*", *REFUSED],
        import_path_allowlist=[*PACKAGES, *named, *again],
        # An option without a type takes values alone: a class under it would be built whatever it is.
        instantiate_subclass_spec_in_any=False,
    )
    _named.update(named)
    try:
        yield
    finally:
        _named.clear()
        _earlier.update(named)
        set_parsing_settings(import_path_denylist=[*named, *again])


def shipped_classes(folders: Iterable[Path], load: Any) -> dict[tuple[str, str], str]:  # noqa: ANN401 - a function
    """Return the class paths in preset files by package and name."""
    class_paths: dict[tuple[str, str], str] = {}
    waiting: list[object] = [load(path) for folder in folders for path in sorted(folder.glob("*.yaml"))]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            path = value.get("class_path")
            if isinstance(path, str):
                class_paths[path.partition(".")[0], path.rpartition(".")[2]] = path
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
    return class_paths
