"""Reading the files of checkpoints: tensors and plain values, never more memory than the file has bytes."""

from __future__ import annotations

import json
import pickletools
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from reenact.errors import ReenactError

WEIGHTS = "weights.safetensors"
SETTINGS = "config.json"
"""The files of an exported method."""
SHARDS = ".metadata"
"""File in the folder of a checkpoint whose weights several processes have divided among themselves."""

MAX_SETTINGS = 2**20
"""Bytes of an export's settings."""
MAX_STRUCTURE = 2**24
"""Bytes of a checkpoint's structure, which is everything but the numbers in its tensors; that of 1,000 tensors and
their optimisers has 300,000."""

_ALLOWED = {"collections OrderedDict", "collections defaultdict", "collections Counter", "builtins dict"}
_ALLOWED |= {"builtins set", "__builtin__ set", "__builtin__ dict", "_codecs encode"}
_ALLOWED |= {"torch Size", "torch device", "torch.serialization _get_layout"}
_ALLOWED |= {f"torch._utils {name}" for name in ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_parameter")}
_ALLOWED |= {f"torch {name}" for name in ("float32", "float64", "float16", "bfloat16", "int32", "int64", "uint8")}


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint file or an exported folder; the tensors of a file are mapped, not copied into memory.

    Raises:
        ReenactError: if there is no such file, or it holds anything but tensors and plain values; names the newest
            whole checkpoint beside a damaged one.
    """
    if (path / SHARDS).is_file():
        raise ReenactError(
            f"{path} is a checkpoint in shards: join it with python -m"
            f" pytorch_lightning.utilities.consolidate_checkpoint {path}, or train with --trainer fsdp, which writes"
            " whole files"
        )
    if path.is_dir():
        return _read_export(path)
    if not path.is_file():
        raise ReenactError(f"There is no checkpoint {path}: give the .ckpt file of a run")
    try:
        checkpoint = _load_file(path)
    except Exception as error:  # the unpickler raises whatever a broken file makes it stumble over
        # Torch's own words advise to read the file without this protection.
        raise ReenactError(
            f"{path} is not a checkpoint of tensors and plain values, or it is damaged; nothing in it was run:"
            f" {_describe_remedy(path)}"
        ) from error
    if not isinstance(checkpoint, dict):
        raise ReenactError(f"{path} holds a {type(checkpoint).__name__}, not a checkpoint of reenact")
    return checkpoint


def is_whole(path: Path) -> bool:
    """Tell if a checkpoint was written to its end, by the table that stands there."""
    try:
        _check_archive(path)
    except (ValueError, OSError, zipfile.BadZipFile):
        return False
    return True


def newest_whole(folder: Path) -> Path | None:
    """Return the newest whole checkpoint of a folder, None where there is none."""
    files = sorted(folder.glob("*.ckpt"), key=lambda file: file.stat().st_mtime, reverse=True)
    return next((file for file in files if is_whole(file)), None)


def _load_file(path: Path) -> Any:  # noqa: ANN401 - anything that a file holds
    """Load a file by PyTorch's own reader, which runs nothing; raises whatever a broken file leads to."""
    with path.open("rb") as file:
        archive = file.read(4) == b"PK\x03\x04"
    if archive:
        _check_archive(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what torch thinks of a file's pickle protocol
        return torch.load(path, map_location="cpu", weights_only=True, mmap=archive)


def _check_archive(path: Path) -> None:
    """Refuse an archive whose content is larger than itself, or whose structure asks for more than its tensors.

    PyTorch stores without compression; a compressed file of 7 MB can hold 7 GB.

    Raises:
        ValueError: for such a file, and for one that is no archive (`zipfile.BadZipFile` for one that is cut off).
    """
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        structures = [entry for entry in entries if entry.filename.rpartition("/")[2] == "data.pkl"]
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries) or len(structures) != 1:
            raise ValueError("it is no archive of PyTorch")
        if sum(entry.file_size for entry in entries) > path.stat().st_size or structures[0].file_size > MAX_STRUCTURE:
            raise ValueError("its parts are larger than itself")
        for operation, argument, _ in pickletools.genops(archive.read(structures[0])):
            _check_operation(operation.name, argument)


def _check_operation(name: str, argument: object) -> None:
    """Refuse constructors that take memory by number, such as `bytearray(10 ** 10)`, which PyTorch would call."""
    storage = isinstance(argument, str) and argument.startswith("torch ") and argument.endswith("Storage")
    if name in ("STACK_GLOBAL", "INST", "OBJ") or (name == "GLOBAL" and not storage and argument not in _ALLOWED):
        raise ValueError(f"it names {argument}")


def _read_export(folder: Path) -> dict[str, Any]:
    try:
        settings = folder / SETTINGS
        if settings.stat().st_size > MAX_SETTINGS:
            raise ReenactError(f"{settings} is larger than {MAX_SETTINGS} bytes: it holds no settings of an export")
        content = json.loads(settings.read_text(encoding="utf-8"))
        weights = load_file(folder / WEIGHTS)
    except FileNotFoundError as error:
        raise ReenactError(
            f"{folder} lacks {Path(error.filename or WEIGHTS).name}: give a .ckpt file or a folder of `reenact export`"
        ) from error
    except (OSError, ValueError, RecursionError, SafetensorError) as error:
        raise ReenactError(f"{folder} is damaged ({first_line(error)}): export it again") from error
    if not isinstance(content, dict):
        raise ReenactError(f"{folder / SETTINGS} holds no settings: export it again")
    return {**content, "state_dict": weights}


def _describe_remedy(path: Path) -> str:
    whole = newest_whole(path.parent)
    return "get it again, or give the .ckpt file of a run" if whole is None else f"the newest whole one is {whole}"


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, its type where it has none."""
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
