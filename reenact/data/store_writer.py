"""Writing a store: clip by clip, each whole or not there, from several processes at once."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, fields
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import save_file

from reenact.data.clip_files import PARAMS
from reenact.data.frame_file import write_frames
from reenact.data.store import MANIFEST, SCHEMA, ClipRecord, Store, StoreInfo, clip_stem, record_of
from reenact.data.video import Image
from reenact.errors import ReenactError
from reenact.faces.params import FaceParams

_TABLES = """
CREATE TABLE IF NOT EXISTS store (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS clips (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, split TEXT NOT NULL, identity TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('ok', 'quarantined')), reason TEXT NOT NULL,
  source TEXT NOT NULL, key TEXT NOT NULL, num_frames INTEGER NOT NULL, fps TEXT NOT NULL,
  source_width INTEGER NOT NULL, source_height INTEGER NOT NULL, error REAL NOT NULL, seconds TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS by_split ON clips (split, status);
"""


class StoreWriteError(ReenactError):
    """The disk refused: no fault of the clip in hand, so the run stops."""


@dataclass(frozen=True)
class ClipArrays:
    """What is known of a clip's T frames; every array has T rows, or one row that holds for all."""

    crop: NDArray[np.float64]
    """(T, 4) or (1, 4): `Crop.to_array` of each frame."""
    visible: NDArray[np.bool_]
    """(T,) or (1,): whether the face was found, or filled in from its neighbours."""
    landmarks: NDArray[np.float32] | None
    """(T, 68, 2) in pixels of the stored frames."""
    params: FaceParams | None
    """T rows; `mirrored` is not kept."""


class StoreWriter:
    """Adds clips to a store, making it if it is not there.

    Args:
        root: The store's folder.
        info: What the store holds; an existing store must hold the same.

    Raises:
        ReenactError: if the folder is something else, holds another store, or can't be written.
    """

    def __init__(self, root: Path, info: StoreInfo) -> None:
        self.root = root
        self.info = info
        if (root / MANIFEST).exists():
            self._check(Store(root).info)
        elif root.exists() and (not root.is_dir() or any(root.iterdir())):
            raise ReenactError(f"{root} exists and is not a store; choose another output folder or remove it")
        try:
            root.mkdir(parents=True, exist_ok=True)
            self._create()
        except (OSError, sqlite3.Error) as error:
            raise ReenactError(f"{root} can't be written ({error}); choose a writable folder") from error

    def add(self, record: ClipRecord, frames: Iterable[Image], arrays: ClipArrays) -> None:
        """Write one clip; an older one of the same name goes first, so that no row stands for mixed files.

        Raises:
            ReenactError: if the lengths of frames and arrays differ.
            StoreWriteError: if the disk refuses.
        """
        try:
            self._forget(record.name)
            with _renamed(clip_stem(self.root, record.name, ".mov")) as video:
                places = write_frames(video, frames, record.fps)
                tables = _tables(arrays) | {"places": places}
                self._check_lengths(record, tables)
                with _renamed(clip_stem(self.root, record.name, ".safetensors")) as path:
                    save_file(tables, path, {"clip": record.name, "face_model": self.info.face_model})
            self._insert(record)
        except (OSError, SafetensorError, sqlite3.Error) as error:
            raise StoreWriteError(
                f"{self.root} can't be written ({error}); free space or choose another folder"
            ) from error

    def quarantine(self, record: ClipRecord) -> None:
        """Keep a row for a clip that could not be prepared."""
        self._insert(record)

    def finished(self, name: str, key: str) -> ClipRecord | None:
        """The row of a clip made from the same content and settings, or None where it or a file of it is missing."""
        with closing(self._connect()) as database:
            row = database.execute("SELECT * FROM clips WHERE name = ? AND key = ?", (name, key)).fetchone()
        if row is None:
            return None
        record = record_of(row)
        files = (clip_stem(self.root, name, suffix) for suffix in (".mov", ".safetensors"))
        return record if record.status != "ok" or all(file.is_file() for file in files) else None

    def _check(self, found: StoreInfo) -> None:
        for field in fields(StoreInfo):
            old, new = getattr(found, field.name), getattr(self.info, field.name)
            if old != new:
                raise ReenactError(
                    f"{self.root} is a store with {field.name} {old}, not {new}; "
                    "choose another output folder or the same settings"
                )

    def _check_lengths(self, record: ClipRecord, tables: dict[str, NDArray[np.generic]]) -> None:
        for name, table in tables.items():
            if len(table) not in (1, record.num_frames) or (name == "places" and len(table) != record.num_frames):
                raise ReenactError(f"Clip {record.name}: {len(table)} rows of {name} for {record.num_frames} frames")
        if sorted(self.info.fields) != sorted(name for name in tables if name != "places"):
            raise ReenactError(f"Clip {record.name} has {sorted(tables)}, the store has {sorted(self.info.fields)}")

    def _create(self) -> None:
        rows = {
            "schema": str(SCHEMA),
            "face_model": self.info.face_model,
            "size": str(self.info.size),
            "recipe": json.dumps(self.info.recipe, sort_keys=True),
            "fields": json.dumps(list(self.info.fields)),
        }
        with closing(self._connect()) as database, database:
            database.executescript(_TABLES)
            database.executemany("INSERT OR IGNORE INTO store VALUES (?, ?)", rows.items())

    def _insert(self, record: ClipRecord) -> None:
        values = {field.name: getattr(record, field.name) for field in fields(ClipRecord)}
        values |= {"fps": str(record.fps), "seconds": json.dumps(record.seconds)}
        columns, marks = ", ".join(values), ", ".join("?" * len(values))
        with closing(self._connect()) as database, database:
            database.execute(f"INSERT OR REPLACE INTO clips ({columns}) VALUES ({marks})", tuple(values.values()))

    def _forget(self, name: str) -> None:
        with closing(self._connect()) as database, database:
            database.execute("DELETE FROM clips WHERE name = ?", (name,))

    def _connect(self) -> sqlite3.Connection:
        database = sqlite3.connect(self.root / MANIFEST, timeout=60)
        database.row_factory = sqlite3.Row
        return database


def fields_of(arrays: ClipArrays) -> tuple[str, ...]:
    """The names under which a clip's arrays are stored, for `StoreInfo.fields`."""
    return tuple(sorted(_tables(arrays)))


def failed_record(name: str, *, split: str, identity: str, source: str, key: str, reason: str) -> ClipRecord:
    """The row of a clip that could not be prepared."""
    return ClipRecord(name, split, identity, "quarantined", reason, source, key, 0, Fraction(1), 0, 0, 0.0, {})


def _tables(arrays: ClipArrays) -> dict[str, NDArray[np.generic]]:
    tables: dict[str, NDArray[np.generic]] = {"crop": arrays.crop, "visible": arrays.visible}
    if arrays.landmarks is not None:
        tables["landmarks"] = np.ascontiguousarray(arrays.landmarks, np.float32)
    if arrays.params is not None:
        values = {name: getattr(arrays.params, name) for name in PARAMS}
        tables |= {
            name: np.ascontiguousarray(value.detach().cpu().numpy(), np.float32)
            for name, value in values.items()
            if value is not None
        }
    return tables


@contextmanager
def _renamed(path: Path) -> Iterator[Path]:
    """A temporary file that takes its place when the block succeeds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
