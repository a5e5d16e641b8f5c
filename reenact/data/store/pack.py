"""`reenact pack`: a store as shards for object storage."""

from __future__ import annotations

import fcntl
import io
import json
import os
import re
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from rich.filesize import decimal
from rich.progress import track

from reenact.data.store.reader import Store
from reenact.data.store.root_files import INDEX
from reenact.data.store.shards import SHARD, encode_index
from reenact.errors import ReenactError
from reenact.paths import PathLike
from reenact.progress import open_progress_console

_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
_SUFFIXES = ("json", "safetensors", "mov")
_PART = ".part"


def pack(store: PathLike, *, out: PathLike, shard_size: str = "1GB") -> str:
    """Write a store's usable clips as tar files in WebDataset's format, with an index.

    Clips come in a random order that depends on nothing but their number, so that a reader who streams the shards meets
    many people. Packing again keeps the shards that are right already; so an interrupted run goes on.

    Args:
        store: The store.
        out: Folder for the shards.
        shard_size: Size of a shard, such as 500MB or 1GB; a clip is never divided.

    Raises:
        ReenactError: if it is no store, has no usable clip, or the folder is in use for something else or can't be
            written.
    """
    store, out = Path(store), Path(out)
    limit = parse_size(shard_size)
    source = Store(store)
    if not len(source.table.names):
        raise ReenactError(f"{store} has no usable clip; see `reenact prepare --status {store}`")
    _check_out(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
        with _lock_folder(out):
            shards, places = _write_shards(source, out, limit)
            with _write_then_rename(out / INDEX) as file:
                file.write(encode_index(source.info, source.table, shards, places))
    except OSError as error:
        raise ReenactError(
            f"{error.filename or out} can't be used ({error.strerror}); free space or check the access rights, and run"
            " the command again to go on"
        ) from error
    return f"{len(places)} clips in {len(shards)} shard(s), {decimal(sum(shards.values()))}: {out}"


def parse_size(text: str) -> int:
    """Bytes of a size such as `500MB` or `1GiB`; raises `ReenactError` for anything else."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]*)\s*", text)
    if match is None or match[2].upper() not in _UNITS or not float(match[1]) > 0:
        raise ReenactError(f"--shard-size {text} is no size; give one such as 500MB or 1GB")
    return max(1, round(float(match[1]) * _UNITS[match[2].upper()]))


class _Member:
    """One of a clip's files inside a shard."""

    def __init__(self, name: str, content: bytes | Path) -> None:
        self.name = name
        self.content = content
        self.size = content.stat().st_size if isinstance(content, Path) else len(content)

    def open(self) -> BinaryIO:
        return self.content.open("rb") if isinstance(self.content, Path) else io.BytesIO(self.content)


def _write_shards(source: Store, out: Path, limit: int) -> tuple[dict[str, int], NDArray[np.int64]]:
    """Name and size of each shard, and where each clip lies in them: see `encode_index`."""
    places = np.zeros((len(source.table.names), 4), np.int64)
    shards: dict[str, int] = {}
    plan = list(_plan_shards(source, limit))
    for number, rows in enumerate(track(plan, "pack", console=open_progress_console())):
        name = f"reenact-{number:05d}.tar"
        members = [member for row in rows for member in _list_members(source, row)]
        starts = _find_starts(out / name, members)
        if starts is None:
            # The index goes first: without it, no reader takes new shards for old ones.
            (out / INDEX).unlink(missing_ok=True)
            starts = _write_shard(out / name, members)
        places[rows, 0] = number
        places[rows, 1] = starts[2::3]
        places[rows, 2] = starts[1::3]
        places[rows, 3] = [member.size for member in members[1::3]]
        shards[name] = (out / name).stat().st_size
    for path in out.iterdir():
        if path.suffix == _PART or (SHARD.fullmatch(path.name) and path.name not in shards):
            path.unlink()
    return shards, places


def _plan_shards(source: Store, limit: int) -> Iterator[list[int]]:
    """Rows of the table that go into each shard."""
    rows: list[int] = []
    size = 0
    for row in np.random.default_rng(0).permutation(len(source.table.names)).tolist():
        name = source.table.names[row]
        try:
            more = sum(path.stat().st_size for path in (source.frames_path(name), source.arrays_path(name)))
        except FileNotFoundError as error:
            raise ReenactError(f"{error.filename} of clip {name} is missing; prepare the clip again") from error
        if rows and size + more > limit:
            yield rows
            rows, size = [], 0
        rows.append(row)
        size += more
    yield rows


def _list_members(source: Store, row: int) -> list[_Member]:
    record = source.clip(source.table.names[row])
    described = asdict(record) | {"fps": str(record.fps)}
    described.pop("seconds")
    contents: tuple[bytes | Path, ...] = (
        json.dumps(described, indent=1).encode(),
        source.arrays_path(record.name),
        source.frames_path(record.name),
    )
    return [_Member(f"{row:08d}.{suffix}", content) for suffix, content in zip(_SUFFIXES, contents, strict=True)]


def _write_shard(path: Path, members: Sequence[_Member]) -> list[int]:
    with _write_then_rename(path) as file, tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for member in members:
            entry = tarfile.TarInfo(member.name)  # no times or owners: the same store gives the same bytes
            entry.size = member.size
            with member.open() as content:
                archive.addfile(entry, content)
    starts = _find_starts(path, members)
    if starts is None:
        raise ReenactError(f"A clip of {path.name} changed while it was packed; run the command again")
    return starts


def _find_starts(path: Path, members: Sequence[_Member]) -> list[int] | None:
    """First byte of each member of a shard; None where the shard is missing, damaged, or holds something else.

    Sizes and the clips' rows are compared, which change with the content and the settings that clips are made from.
    """
    try:
        with tarfile.open(path, "r:") as archive:
            entries = archive.getmembers()
            if [(entry.name, entry.size) for entry in entries] != [(member.name, member.size) for member in members]:
                return None
            for entry, member in zip(entries[::3], members[::3], strict=True):
                content = archive.extractfile(entry)
                if content is None or content.read() != member.content:
                    return None
            return [entry.offset_data for entry in entries]
    except (FileNotFoundError, tarfile.ReadError):
        return None


def _check_out(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise ReenactError(f"{out} is a file; give a folder for the shards")
    others = [path.name for path in out.iterdir() if not _is_pack_file(path.name)] if out.is_dir() else []
    if others:
        raise ReenactError(f"{out} holds other files ({sorted(others)[0]}); give a new folder for the shards")


def _is_pack_file(name: str) -> bool:
    bare = name.removesuffix(_PART)
    return bare == INDEX or SHARD.fullmatch(bare) is not None


@contextmanager
def _lock_folder(out: Path) -> Iterator[None]:
    """Keep other runs from the same folder; the lock goes with the process."""
    descriptor = os.open(out, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise ReenactError(f"Another `reenact pack` writes to {out}; wait for it or choose another folder") from error
    finally:
        os.close(descriptor)


@contextmanager
def _write_then_rename(path: Path) -> Iterator[BinaryIO]:
    """A file that takes its place once it is whole and on the disk."""
    temporary = path.with_name(path.name + _PART)
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
