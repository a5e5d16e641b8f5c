"""Folders read in one order: numbers in names count as numbers, and files of the system are left out."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from reenact.errors import ReenactError

SYSTEM_NAMES = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "@eadir", "$recycle.bin"})
"""Names, in small letters, of what file managers leave beside a person's files; others of theirs start with a dot."""


def natural_key(path: Path) -> tuple[list[tuple[int, str]], str]:
    """Return a sort key by which `f2` comes before `f10`, with or without zeros in front."""
    parts = re.split(r"([0-9]+)", path.name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts], path.name


def is_system_file(path: Path) -> bool:
    """Tell if a file or folder belongs to the system by its name: `.DS_Store`, `._x.jpg`, `Thumbs.db`."""
    return path.name.startswith(".") or path.name.lower() in SYSTEM_NAMES


def list_folder(folder: Path) -> list[Path]:
    """List the files and folders of a folder in natural order, without those of the system.

    Raises:
        ReenactError: if the folder can't be read.
    """
    try:
        return sorted((item for item in folder.iterdir() if not is_system_file(item)), key=natural_key)
    except OSError as error:
        raise ReenactError(
            f"can't be listed ({error.strerror})", subject=folder, remedy="check the folder and its rights"
        ) from error


def walk_folders(folder: Path) -> Iterator[tuple[Path, list[Path]]]:
    """Yield each folder from `folder` down with its entries; a folder behind several links comes once.

    A caller that removes folders from the list of entries keeps the walk out of them.
    """
    waiting, visited = [folder], set[str]()
    while waiting:
        place = waiting.pop()
        target = os.path.realpath(place)
        if target in visited:
            continue
        visited.add(target)
        entries = [item for item in list_folder(place) if not (item.is_dir() and os.path.realpath(item) in visited)]
        yield place, entries
        waiting += reversed([item for item in entries if item.is_dir()])
