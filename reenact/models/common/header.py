"""The header of a checkpoint, from which its module can be rebuilt, and the limits of what it may hold."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reenact.errors import ReenactError

FORMAT = 1
"""Raised when a checkpoint of before can't be read any more."""

MAX_SIDE = 8192
"""Pixels of an image's side."""
MAX_VALUES = 10_000
"""Values in a header, those of all lists and dictionaries together."""
MAX_DEPTH = 16
"""Lists and dictionaries in one another."""
MAX_TEXT = 4096
"""Largest number of characters in a text."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,99}")
_CLASS = re.compile(r"[A-Za-z_]\w*(\.([A-Za-z_]\w*|<locals>))+")


@dataclass(frozen=True, kw_only=True)
class Header:
    """The header of a checkpoint, checked."""

    method: str
    """Name of the method."""
    class_path: str | None
    """Module and name of the class that saved it; None where it was written before classes were recorded."""
    arguments: dict[str, Any]
    """Arguments of the class: plain values in dictionaries and lists."""
    image_size: int
    """Side in pixels of the images it was trained on."""
    recipe: dict[str, str] = field(default_factory=dict)
    """Preparation of its training data."""
    frozen_parts: dict[str, str] = field(default_factory=dict)
    """SHA-256 of the networks that it is used with and does not hold, by their names in its module."""

    def write(self) -> dict[str, Any]:
        """Return the dictionary that a checkpoint holds under the key `reenact`."""
        recorded = {} if self.class_path is None else {"class": self.class_path}
        return {
            "format": FORMAT,
            "method": self.method,
            **recorded,
            "arguments": self.arguments,
            "image_size": self.image_size,
            "recipe": self.recipe,
            **({"frozen_parts": self.frozen_parts} if self.frozen_parts else {}),
        }


def check_header(checkpoint: Mapping[str, Any], name: str) -> Header:
    """Return the header of a checkpoint.

    Args:
        checkpoint: the content of the file.
        name: the checkpoint in a message.

    Raises:
        ReenactError: if it was not written by reenact, by another version, or holds values out of their limits.
    """
    header = checkpoint.get("reenact")
    if not isinstance(header, dict):
        hint = ": bring it in with `reenact convert`" if "generator" in checkpoint else ": give the .ckpt of a run"
        raise ReenactError(f"{name} was not written by reenact{hint}")
    if header.get("format") != FORMAT:
        raise ReenactError(
            f"{name} has checkpoint format {str(header.get('format'))[:40]} and this version of reenact reads {FORMAT}:"
            " use the version that wrote it"
        )
    if not isinstance(header.get("arguments"), dict) or "image_size" not in header:
        raise ReenactError(f"{name} lacks the settings of its method: use the version of reenact that wrote it")
    try:
        content: dict[str, Any] = _copy_plain(header, _Budget())
        return _parse_header(content)
    except ValueError as error:
        raise ReenactError(f"{name} has a header that reenact does not write ({error}): get the file again") from error


def is_zoo_class(class_path: str) -> bool:
    """Tell if a class path lies in this package."""
    return class_path.partition(".")[0] == "reenact"


def check_same_class(header: Header, method: str, class_path: str, name: str) -> None:
    """Refuse a checkpoint of another method or class.

    Args:
        header: the checkpoint's.
        method: name of the method that it is to be loaded into.
        class_path: module and name of that method's class.
        name: the checkpoint in a message.

    Raises:
        ReenactError: names both.
    """
    if header.method != method:
        raise ReenactError(f"{name} is of the method {header.method}, not {method}: choose the --model it was made by")
    saved = header.class_path
    # Modules of this package may move from version to version; the name of a class and its method stay.
    if saved is None or saved == class_path:
        return
    inside = is_zoo_class(saved) and is_zoo_class(class_path)
    if not (inside and saved.rpartition(".")[2] == class_path.rpartition(".")[2]):
        raise ReenactError(
            f"{name} is of the class {saved}, not {class_path}: leave --model out, or name the class that saved it"
        )


@dataclass
class _Budget:
    values: int = MAX_VALUES


def _parse_header(header: dict[str, Any]) -> Header:
    method, path, size = header.get("method"), header.get("class"), header["image_size"]
    recipe = header.get("recipe", {})
    if not (isinstance(method, str) and _NAME.fullmatch(method)):
        raise ValueError(f"method {str(method)[:40]!r} is no name")
    if path is not None and not (isinstance(path, str) and _CLASS.fullmatch(path)):
        raise ValueError(f"class {str(path)[:40]!r} is no class path")
    if type(size) is not int or not 1 <= size <= MAX_SIDE:
        raise ValueError(f"image_size {str(size)[:40]} is not between 1 and {MAX_SIDE}")
    parts = header.get("frozen_parts", {})
    for name, texts in (("recipe", recipe), ("frozen_parts", parts)):
        if not (isinstance(texts, dict) and all(isinstance(value, str) for value in texts.values())):
            raise ValueError(f"{name} is not of texts by name")
    return Header(
        method=method,
        class_path=path,
        arguments=header["arguments"],
        image_size=size,
        recipe=recipe,
        frozen_parts=parts,
    )


def _copy_plain(value: object, budget: _Budget, depth: int = 0) -> Any:  # noqa: ANN401 - any plain value
    """Copy plain values, tuples as lists; raises `ValueError` for others and for more than the limits."""
    budget.values -= 1
    if budget.values < 0 or depth > MAX_DEPTH:
        raise ValueError(f"more than {MAX_VALUES} values, or {MAX_DEPTH} lists in one another")
    if value is None or isinstance(value, bool):
        return value
    if type(value) is str and len(value) <= MAX_TEXT:
        return value
    if (type(value) is int and abs(value) < 2**63) or (type(value) is float and math.isfinite(value)):
        return value
    if isinstance(value, (list, tuple)):
        return [_copy_plain(item, budget, depth + 1) for item in value]
    if isinstance(value, dict) and all(type(key) is str and len(key) <= MAX_TEXT for key in value):
        return {key: _copy_plain(item, budget, depth + 1) for key, item in value.items()}
    raise ValueError(f"a {type(value).__name__} that is no plain value, or is out of its limits")
