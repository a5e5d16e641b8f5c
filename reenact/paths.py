"""Paths in the functions that Python callers and the command line share, and the hash of a file."""

from __future__ import annotations

import hashlib
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


def hash_file(path: Path) -> str:
    """SHA-256 of a file's content, in 64 hexadecimal digits; raises `OSError` if it can't be read."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
