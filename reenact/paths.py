"""Paths in the functions that Python callers and the command line share."""

from __future__ import annotations

from pathlib import Path
from typing import overload

PathLike = Path | str
"""A path, as `pathlib.Path` or as text."""


@overload
def to_path(path: PathLike) -> Path: ...
@overload
def to_path(path: None) -> None: ...
def to_path(path: PathLike | None) -> Path | None:
    """Convert a path or text to a `Path`; `None` stays `None`."""
    return None if path is None else Path(path)
