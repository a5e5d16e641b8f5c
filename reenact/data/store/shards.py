"""Shards: a store as tar files for object storage, readable here, behind a URL, and by the `webdataset` package.

Layout:
    clips.safetensors           the clips in compact arrays, and where each lies in the shards
    reenact-00000.tar, ...      three members a clip, in this order, named by a number as clip names may hold dots:
        00000042.json           the clip's row in the store's manifest
        00000042.safetensors    the store's array file
        00000042.mov            the store's picture file

A frame is read by its bytes: the index says where the clip's files begin in which shard, the array file says where its
frames are. So shards give exactly the samples of the store in the same order. A pair behind a URL costs two rounds of
requests, whatever the length of the clip; more loading processes hide the time that they take.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from reenact.data.store.byte_ranges import LocalFiles, RemoteFiles, is_url, read_whole
from reenact.data.store.clip_files import ClipPlace, ClipReader
from reenact.data.store.clip_table import ClipTable, Names
from reenact.data.store.reader import StoreInfo, info_of
from reenact.data.store.root_files import INDEX
from reenact.data.store.schema import (
    MOST_FRAMES,
    check_array,
    check_integer,
    check_packed_texts,
    check_range,
    check_texts,
)
from reenact.errors import ReenactError

SCHEMA = 1
SHARD = re.compile(r"reenact-[0-9]{5,}\.tar")
"""Pattern of the names of shards."""
_REMEDY = "copy the shards again or make them again with `reenact pack`"


class Shards:
    """Reads shards; holds no open file, so it may be copied into worker processes.

    Args:
        root: Their folder or its URL.

    Raises:
        ReenactError: if there is no index, it is damaged or of another schema, or a local shard is not complete.
    """

    def __init__(self, root: str) -> None:
        self.root = root.rstrip("/")
        remote = is_url(root)
        arrays, header, self.info = _read_index(self.root)
        self.reader = ClipReader(RemoteFiles(self.root) if remote else LocalFiles(), _REMEDY, self.info.fields)
        self.table = _build_table(arrays, tuple(header["splits"]))
        self._shards = [name if remote else f"{self.root}/{name}" for name in header["shards"]]
        self._shard_of, self._frames, self._arrays, self._sizes = (
            arrays[name] for name in ("shard", "frames_start", "arrays_start", "arrays_size")
        )
        if not remote:
            _check_sizes(self._shards, header["sizes"])

    def place(self, row: int) -> ClipPlace:
        """Location of the files of the clip in a row of the table."""
        shard = self._shards[self._shard_of[row]]
        return ClipPlace(
            clip=self.table.names[row],
            num_frames=int(self.table.num_frames[row]),
            frames=shard,
            arrays=shard,
            frames_start=int(self._frames[row]),
            arrays_start=int(self._arrays[row]),
            arrays_size=int(self._sizes[row]),
        )


def encode_index(info: StoreInfo, table: ClipTable, shards: dict[str, int], places: NDArray[np.int64]) -> bytes:
    """Serialise the index of the shards.

    Args:
        info: What holds for every clip.
        table: The clips.
        shards: Name and size in bytes of each shard.
        places: (N, 4): shard, first byte of the picture file, first byte and size of the array file.
    """
    header = {
        "schema": SCHEMA,
        "info": asdict(info),
        "splits": table.split_names,
        "shards": list(shards),
        "sizes": list(shards.values()),
    }
    columns = dict(zip(("shard", "frames_start", "arrays_start", "arrays_size"), places.T, strict=True))
    arrays: dict[str, NDArray[Any]] = columns | {
        "header": np.frombuffer(json.dumps(header).encode(), np.uint8),
        "names": table.names.text,
        "name_ends": table.names.ends,
        "identity_names": table.identity_names.text,
        "identity_name_ends": table.identity_names.ends,
        "identities": table.identities,
        "splits": table.splits,
        "num_frames": table.num_frames,
    }
    return save({name: np.ascontiguousarray(array) for name, array in arrays.items()})


def _read_index(root: str) -> tuple[dict[str, NDArray[Any]], dict[str, Any], StoreInfo]:
    path = f"{root}/{INDEX}"
    try:
        arrays = load(read_whole(root, INDEX) if is_url(root) else Path(path).read_bytes())
        header = json.loads(arrays["header"].tobytes())
        schema = check_integer(header["schema"], "schema", 0, 1 << 31)
        if schema != SCHEMA:
            raise ReenactError(
                f"{path} has schema {schema}, this version reads {SCHEMA}; make the shards again or use the"
                " version that made them"
            )
        _check_index(arrays, header)
        return arrays, header, info_of(header["info"])
    except OSError as error:
        raise ReenactError(f"{path} can't be read ({error.strerror}); {_REMEDY}") from error
    except (SafetensorError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ReenactError(f"{path} is damaged; {_REMEDY}") from error


def _check_index(arrays: dict[str, NDArray[Any]], header: dict[str, Any]) -> None:
    """Hold an index against its own sizes; raise `KeyError`, `TypeError` or `ValueError` where it is damaged."""
    shards, splits = check_texts(header["shards"], "shards"), check_texts(header["splits"], "splits")
    if wrong := [name for name in shards if not SHARD.fullmatch(name)]:
        raise ValueError(f"{wrong[0][:60]!r} is no name of a shard")
    sizes = np.array([check_integer(size, "a size", 0, 1 << 62) for size in header["sizes"]], np.int64)
    if len(sizes) != len(shards):
        raise ValueError("shards and sizes differ in number")
    for names, ends in (("names", "name_ends"), ("identity_names", "identity_name_ends")):
        check_packed_texts(arrays[names], arrays[ends], names)
    most = {
        "identities": len(arrays["identity_name_ends"]) - 1,
        "splits": len(splits) - 1,
        "num_frames": MOST_FRAMES,
        "shard": len(shards) - 1,
        "frames_start": 1 << 62,
        "arrays_start": 1 << 62,
        "arrays_size": 1 << 62,
    }
    for name, bound in most.items():
        check_array(arrays[name], name, np.int64, len(arrays["name_ends"]))
        check_range(arrays[name], name, 0, bound)
    ends = np.maximum(arrays["frames_start"], arrays["arrays_start"] + arrays["arrays_size"])
    if (ends > sizes[arrays["shard"]]).any():
        raise ValueError("a clip lies behind the end of its shard")


def _build_table(arrays: dict[str, NDArray[Any]], splits: tuple[str, ...]) -> ClipTable:
    return ClipTable(
        names=Names(arrays["names"], arrays["name_ends"]),
        identities=arrays["identities"],
        identity_names=Names(arrays["identity_names"], arrays["identity_name_ends"]),
        splits=arrays["splits"],
        split_names=splits,
        num_frames=arrays["num_frames"],
    )


def _check_sizes(shards: list[str], sizes: list[int]) -> None:
    for shard, size in zip(shards, sizes, strict=True):
        actual_size = Path(shard).stat().st_size if Path(shard).is_file() else None
        if actual_size != size:
            state = "is missing" if actual_size is None else f"has {actual_size} bytes instead of {size}"
            raise ReenactError(f"{shard} {state}; {_REMEDY}")
