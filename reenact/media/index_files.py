"""Indices of the videos of raw data sets on disk, so that one process reads the packets of a file for all others.

An index takes about 20 bytes a packet under `indices/` of the folder of `$REENACT_HOME`. It counts for as long as size
and time of change of its video stay the same; a damaged or old one is built anew. The folder may be removed.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import fields
from fractions import Fraction
from hashlib import blake2b
from pathlib import Path
from typing import Any
from uuid import uuid4

import av
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from reenact.assets import cache_dir
from reenact.media.video_index import VideoIndex

Facts = dict[str, Any]
VERSION = 1
"""Raised when indices change."""
_LARGEST = 64 << 20
"""Bytes of a file; more is no index of a video within the limits."""
_TYPES = {
    "ranks": "<i4",
    "places": "<i4",
    "packets": "<i4",
    "times": "<i8",
    "keys": "<i4",
    "key_positions": "<i8",
    "key_stamps": "<i8",
    "exact_keys": "|b1",
}


def load_index(path: Path) -> tuple[VideoIndex, Facts] | None:
    """Read the index of a video from disk, and what was saved with it; None where there is none that is valid."""
    try:
        file = index_path(path)
        if file.stat().st_size > _LARGEST:
            return None
        data = file.read_bytes()
        size = int.from_bytes(data[:8], "little")
        about = json.loads(json.loads(data[8 : 8 + size])["__metadata__"]["about"])
        if about["stamp"] != _stamp_file(path):
            return None
        arrays: dict[str, Any] = {"ranks": None, **load(data)}
        index = VideoIndex(**arrays, tick=Fraction(about["tick"]), last=Fraction(about["last"]))
        _check_index(index)
        return index, dict(about["facts"])
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, ArithmeticError, RecursionError):
        return None


def save_index(path: Path, index: VideoIndex, facts: Facts) -> None:
    """Write the index of a video where the folder takes it, with facts that JSON can hold."""
    arrays = {name: np.ascontiguousarray(value) for name, value in vars(index).items() if isinstance(value, np.ndarray)}
    with suppress(OSError):
        about = {"stamp": _stamp_file(path), "tick": str(index.tick), "last": str(index.last), "facts": facts}
        data = save(arrays, {"about": json.dumps(about)})
        file = index_path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary = file.with_name(f".{uuid4().hex}.tmp")
        try:
            temporary.write_bytes(data)
            temporary.replace(file)
        finally:
            temporary.unlink(missing_ok=True)


def index_path(path: Path) -> Path:
    """The file of a video's index."""
    name = blake2b(str(path.absolute()).encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
    return cache_dir() / "indices" / name[:2] / f"{name}.safetensors"


def _stamp_file(path: Path) -> list[Any]:
    status = path.stat()
    return [VERSION, av.__version__, status.st_size, status.st_mtime_ns]


def _check_index(index: VideoIndex) -> None:
    """Raise `ValueError` where arrays are no index."""
    arrays: dict[str, NDArray[Any]] = {
        field.name: getattr(index, field.name)
        for field in fields(VideoIndex)
        if field.name in _TYPES and getattr(index, field.name) is not None
    }
    count, num_pictures, keys = len(index.places), len(index.packets), len(index.keys)
    lengths = {
        "ranks": count,
        "places": count,
        "packets": num_pictures,
        "times": num_pictures,
        "keys": keys,
        "exact_keys": keys,
    }
    lengths |= {"key_stamps": keys, "key_positions": len(index.key_positions) and keys}
    for name, array in arrays.items():
        shape = (keys, 2) if name == "key_stamps" else (lengths[name],)
        if array.dtype.str != _TYPES[name] or array.shape != shape:
            raise ValueError(f"{name} has type {array.dtype} and shape {array.shape}")
    whole = num_pictures and keys and index.keys[0] == 0 and index.tick > 0 and index.last >= 0
    inside = all(_lies_in(array, 0, count) for array in (index.places, index.packets, index.keys))
    ranked = index.ranks is None or _lies_in(index.ranks, -1, num_pictures)
    ordered = bool((np.diff(index.times) >= 0).all() and (np.diff(index.keys) > 0).all())
    if not (whole and inside and ranked and ordered):
        raise ValueError("numbers of packets or pictures lie outside of the video")


def _lies_in(numbers: NDArray[Any], first: int, end: int) -> bool:
    return bool(numbers.min() >= first and numbers.max() < end)
