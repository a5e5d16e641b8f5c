"""Writing a store: clip by clip, each whole or not there, from several processes and machines at once."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from reenact.data.store.byte_ranges import LocalFiles
from reenact.data.store.clip_arrays import ClipArrays, build_tables
from reenact.data.store.clip_files import ClipPlace, ClipReader
from reenact.data.store.frame_file import write_frames
from reenact.data.store.manifest_writer import ManifestWriter
from reenact.data.store.reader import ClipRecord, StoreInfo, clip_stem
from reenact.errors import ReenactError
from reenact.media.video import Image


class StoreWriter(ManifestWriter):
    """Adds clips to a store, which it creates where there is none.

    Args:
        root: The store's folder.
        info: Contents of the store; an existing store must hold the same, unless it has no usable clip yet.

    Raises:
        ReenactError: as `ManifestWriter`.
    """

    def __init__(self, root: Path, info: StoreInfo) -> None:
        super().__init__(root, info)
        self._reader = ClipReader(LocalFiles(), "prepare the clip again", info.fields)

    def add(self, record: ClipRecord, frames: Iterable[Image], arrays: ClipArrays) -> None:
        """Write one clip and its row.

        Raises:
            ReenactError: if the lengths of frames and arrays differ, or the store holds something else by now.
            StoreWriteError: if the disk refuses.
        """
        with self.scratch(record.name) as scratch:
            self.write(record, frames, arrays, scratch)
            self.put(record)

    def write(self, record: ClipRecord, frames: Iterable[Image], arrays: ClipArrays, scratch: Path) -> None:
        """Write the files of a clip; an older row of it goes first, so that no row stands for mixed files.

        Args:
            record: The clip's row, to be `put` when all is done.
            frames: (size, size, 3) pictures.
            arrays: Their crops, landmarks and parameters.
            scratch: An existing folder on the store's disk for files in the making.

        Raises:
            ReenactError: if the lengths of frames and arrays differ.
            StoreWriteError: if the disk refuses.
        """
        with self.guarded():
            self.remove_row(record.name)
            video, table = scratch / "frames.tmp", scratch / "arrays.tmp"
            places = write_frames(video, frames, record.fps)
            tables = build_tables(arrays) | {"places": places}
            self._check_lengths(record, tables)
            # One entry alone: safetensors writes several in an order that changes from file to file.
            # Not `save_file`: its files are for their owner alone, whatever the umask.
            table.write_bytes(save(tables, {"clip": record.name}))
            for temporary, suffix in ((video, ".mov"), (table, ".safetensors")):
                path = clip_stem(self.root, record.name, suffix)
                make_folder(path.parent)
                temporary.replace(path)

    def finished(self, name: str, key: str) -> ClipRecord | None:
        """The row of a clip made from the same content and settings, or None where it is missing or a file damaged."""
        record = self.find_row(name, key)
        if record is None:
            return None
        return record if record.status != "ok" or self._whole(record) else None

    @contextmanager
    def scratch(self, name: str) -> Iterator[Path]:
        """A folder for a clip's files in the making, gone afterwards; raises `StoreWriteError`."""
        folder = work_stem(self.root, name)
        with self.guarded():
            make_folder(folder)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _whole(self, record: ClipRecord) -> bool:
        """Return True if both files of a clip exist in their full length."""
        video, arrays = (clip_stem(self.root, record.name, suffix) for suffix in (".mov", ".safetensors"))
        place = ClipPlace(clip=record.name, num_frames=record.num_frames, frames=str(video), arrays=str(arrays))
        try:
            places = self._reader.arrays(place, [record.num_frames - 1])["places"]
        except ReenactError:
            return False
        return video.is_file() and video.stat().st_size >= int(places.sum())

    def _check_lengths(self, record: ClipRecord, tables: dict[str, NDArray[np.generic]]) -> None:
        for name, table in tables.items():
            if len(table) not in (1, record.num_frames) or (name == "places" and len(table) != record.num_frames):
                raise ReenactError(f"Clip {record.name}: {len(table)} rows of {name} for {record.num_frames} frames")
        if sorted(self.info.fields) != sorted(name for name in tables if name != "places"):
            raise ReenactError(f"Clip {record.name} has {sorted(tables)}, the store has {sorted(self.info.fields)}")


def build_failed_record(
    name: str, *, split: str, identity: str, source: str, key: str, reason: str, status: str = "quarantined"
) -> ClipRecord:
    """Return the row of a clip that could not be prepared."""
    return ClipRecord(
        name=name,
        split=split,
        identity=identity,
        status=status,
        reason=reason,
        source=source,
        key=key,
        num_frames=0,
        fps=Fraction(1),
        source_width=0,
        source_height=0,
        error=0.0,
        seconds={},
    )


def work_stem(root: Path, clip: str) -> Path:
    """Path of the results of a clip's stages until the clip is finished; raises `ReenactError` as `clip_stem`."""
    path = clip_stem(root, clip, "")
    return root / "work" / path.parent.name / path.name


def make_folder(path: Path) -> None:
    """Make a folder and its parents, also while another process removes those of them that are empty."""
    for _ in range(20):
        with suppress(FileNotFoundError):
            path.mkdir(parents=True, exist_ok=True)
            return
    path.mkdir(parents=True, exist_ok=True)
