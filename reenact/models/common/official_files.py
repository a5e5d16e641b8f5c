"""Folders of several official files of weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file

from reenact.errors import ReenactError
from reenact.models.common.checkpoint_file import first_line, read_checkpoint

FileNames = Mapping[str, tuple[str, ...]]
"""Name of each part of a method -> the paths in a folder that its file may have; the first that exists is read."""


def find_files(folder: Path, names: FileNames) -> dict[str, Path]:
    """Return the files of a folder by the names of their parts, without the missing ones."""
    files = {}
    for part, paths in names.items():
        file = next((folder / path for path in paths if (folder / path).is_file()), None)
        if file is not None:
            files[part] = file
    return files


def read_folder(folder: Path, names: FileNames, title: str) -> dict[str, Any]:
    """Read all files of a folder, `.safetensors` and those of PyTorch, without running code in them.

    Args:
        folder: the folder.
        names: the files.
        title: the format in messages.

    Returns:
        Their contents by the names of their parts.

    Raises:
        ReenactError: names the files that are missing, or one that is damaged.
    """
    files = find_files(folder, names)
    missing = [" or ".join(paths) for part, paths in names.items() if part not in files]
    if missing:
        raise ReenactError(f"{folder} lacks {', '.join(missing)} of {title}: put all its files into one folder")
    return {part: _read_file(file) for part, file in files.items()}


def _read_file(file: Path) -> Mapping[str, Any]:
    if file.suffix != ".safetensors":
        return read_checkpoint(file)
    try:
        return load_file(file)
    except (OSError, SafetensorError) as error:
        raise ReenactError(f"{file} is damaged ({first_line(error)}): get it again") from error
