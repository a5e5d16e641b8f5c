"""Contents of a weight or model file by name, read without running anything in it."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from pathlib import Path

from reenact.errors import ReenactError
from reenact.estimators.weights import read_weights
from reenact.faces.mat_file import list_mat
from reenact.faces.unpickle import load_arrays

TORCH_MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19"
"""First bytes of files of `torch.save` before they were zips."""


def names_in(path: Path) -> Iterable[str]:
    """Keys of weights, arrays of a model file, members of an archive.

    Raises:
        ReenactError: if the file is damaged or of another kind than its name says.
    """
    if path.suffix == ".task":
        return _list_members(path)
    if path.suffix == ".mat":
        return _list_matrices(path)
    if path.suffix in (".npz", ".npy") or (path.suffix == ".pkl" and not _is_torch(path)):
        return load_arrays(path)
    return [str(name) for name in read_weights(path)]


def _list_members(path: Path) -> list[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except zipfile.BadZipFile as error:
        raise ReenactError(f"{path} is damaged or no archive: get it again from its official source") from error


def _list_matrices(path: Path) -> list[str]:
    try:
        return list_mat(path)
    except Exception as error:
        # whatever a damaged file makes the reader raise, it means one thing to the person
        raise ReenactError(
            f"{path} is damaged or no MATLAB file ({type(error).__name__}): get it again from its official source"
        ) from error


def _is_torch(path: Path) -> bool:
    with path.open("rb") as stream:
        start = stream.read(len(TORCH_MAGIC))
    return start == TORCH_MAGIC or start.startswith(b"PK")
