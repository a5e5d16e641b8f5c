"""Writing a store: clip by clip, each whole or not there, from several processes and machines at once.

SQLite's own locks can't be trusted on every network disk, so whoever writes the manifest holds a claim as well.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, fields
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import save

from reenact.claims import wait_for_claim
from reenact.data.store.byte_ranges import LocalFiles
from reenact.data.store.clip_files import PARAMS, ClipPlace, ClipReader
from reenact.data.store.frame_file import write_frames
from reenact.data.store.reader import (
    SCHEMA,
    ClipRecord,
    Store,
    StoreInfo,
    clip_stem,
    open_manifest,
    read_schema,
    record_of,
)
from reenact.data.store.root_files import MANIFEST
from reenact.errors import ReenactError
from reenact.faces.params import FaceParams
from reenact.media.video import Image

_TABLES = """
CREATE TABLE IF NOT EXISTS store (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS clips (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, split TEXT NOT NULL, identity TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('ok', 'quarantined', 'missing')), reason TEXT NOT NULL,
  source TEXT NOT NULL, key TEXT NOT NULL, num_frames INTEGER NOT NULL, fps TEXT NOT NULL,
  source_width INTEGER NOT NULL, source_height INTEGER NOT NULL, error REAL NOT NULL, seconds TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS by_split ON clips (split, status);
CREATE TABLE IF NOT EXISTS sources (path TEXT PRIMARY KEY, stamp TEXT NOT NULL, digest TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS planned (name TEXT PRIMARY KEY, split TEXT NOT NULL, input TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS reserved (name TEXT PRIMARY KEY, source TEXT NOT NULL);
"""
LOCK = ".manifest.lock"


class StoreWriteError(ReenactError):
    """The disk refused: no fault of the clip in hand, so the run stops."""


@dataclass(frozen=True, kw_only=True)
class ClipArrays:
    """Arrays of a clip's T frames; each has T rows, or one row that holds for all frames."""

    crop: NDArray[np.float64]
    """(T, 4) or (1, 4): `Crop.to_array` of each frame."""
    visible: NDArray[np.bool_]
    """(T,) or (1,): whether the face was found, or filled in from its neighbours."""
    landmarks: NDArray[np.float32] | None
    """(T, 68, 2) in pixels of the stored frames."""
    params: FaceParams | None
    """T rows; `mirrored` is not kept."""
    mask: NDArray[np.bool_] | None = field(default=None, kw_only=True)
    """(T, size, size) pixels of the stored frames that show the person."""


class StoreWriter:
    """Adds clips to a store, making it if it is not there.

    Args:
        root: The store's folder.
        info: What the store holds; an existing store must hold the same, unless it has no usable clip yet.

    Raises:
        ReenactError: if the folder is something else, holds another store, or can't be written.
    """

    def __init__(self, root: Path, info: StoreInfo) -> None:
        self.root = root
        self.info = info
        check_store_folder(root)
        if _has_manifest(root):
            self._check_schema()
        try:
            root.mkdir(parents=True, exist_ok=True)
            with self._transaction() as database:
                self._create(database)
        except (OSError, sqlite3.Error) as error:
            raise ReenactError(f"{root} can't be written ({error}); choose a writable folder") from error
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
            arrays: What is known of them.
            scratch: An existing folder on the store's disk for files in the making.

        Raises:
            ReenactError: if the lengths of frames and arrays differ.
            StoreWriteError: if the disk refuses.
        """
        with self.guarded():
            with self._transaction() as database:
                database.execute("DELETE FROM clips WHERE name = ?", (record.name,))
            video, table = scratch / "frames.tmp", scratch / "arrays.tmp"
            places = write_frames(video, frames, record.fps)
            tables = _build_tables(arrays) | {"places": places}
            self._check_lengths(record, tables)
            # One entry alone: safetensors writes several in an order that changes from file to file.
            # Not `save_file`: its files are for their owner alone, whatever the umask.
            table.write_bytes(save(tables, {"clip": record.name}))
            for temporary, suffix in ((video, ".mov"), (table, ".safetensors")):
                path = clip_stem(self.root, record.name, suffix)
                make_folder(path.parent)
                temporary.replace(path)

    def put(self, record: ClipRecord) -> None:
        """Write a clip's row: from now on the clip exists, or it is known why it can't be used.

        Raises:
            ReenactError: if another run has made this a store of other settings.
            StoreWriteError: if the disk refuses.
        """
        values = {field.name: getattr(record, field.name) for field in fields(ClipRecord)}
        values |= {"fps": str(record.fps), "seconds": json.dumps(record.seconds)}
        columns, marks = ", ".join(values), ", ".join("?" * len(values))
        with self.guarded(), self._transaction() as database:
            self._check_info(database)
            database.execute(f"INSERT OR REPLACE INTO clips ({columns}) VALUES ({marks})", tuple(values.values()))

    def finished(self, name: str, key: str) -> ClipRecord | None:
        """The row of a clip made from the same content and settings, or None where it is missing or a file damaged."""
        with self.guarded(), closing(open_manifest(self.root)) as database:
            row = database.execute("SELECT * FROM clips WHERE name = ? AND key = ?", (name, key)).fetchone()
        if row is None:
            return None
        record = record_of(row, self.root)
        return record if record.status != "ok" or self._whole(record) else None

    def plan(self, input: str, clips: Iterable[tuple[str, str]]) -> None:
        """Note what is to be prepared, so that `Store.waiting` knows what is to come.

        Args:
            input: What is prepared; replaces what was planned for it before.
            clips: Name and split of each of its clips.

        Raises:
            StoreWriteError: if the disk refuses.
        """
        with self.guarded(), self._transaction() as database:
            database.execute("DELETE FROM planned WHERE input = ?", (input,))
            rows = ((name, split, input) for name, split in clips)
            database.executemany("INSERT OR REPLACE INTO planned VALUES (?, ?, ?)", rows)

    def reserve(self, clips: Iterable[tuple[str, str]], same: Mapping[str, str]) -> set[str]:
        """Reserve the names of clips for their sources; of runs that begin at once, one gets a name.

        A name belongs to the source of its usable clip, else to the source that reserved it, as long as that is there.

        Args:
            clips: Name and source of each clip.
            same: Sources of usable clips by name, where the clip of that name has the same content.

        Returns:
            The names that belong to other sources.

        Raises:
            StoreWriteError: if the disk refuses.
        """
        with self.guarded(), self._transaction() as database:
            rows = database.execute("SELECT name, source FROM reserved").fetchall()
            reserved: dict[str, str] = dict(rows)
            rows = database.execute("SELECT name, source FROM clips WHERE status = 'ok'").fetchall()
            usable: dict[str, str] = dict(rows)
            free: list[tuple[str, str]] = []
            taken_names: set[str] = set()
            for name, source in clips:
                owner = usable.get(name, reserved.get(name, source))
                if owner == source or (same.get(name) == owner if name in usable else not _source_exists(owner)):
                    free.append((name, source))
                else:
                    taken_names.add(name)
            database.executemany("INSERT OR REPLACE INTO reserved VALUES (?, ?)", free)
        return taken_names

    def digest(self, path: Path, stamp: str, make: Callable[[], str]) -> str:
        """The hash of a source's content, made once as long as its stamp (sizes and times) stays the same."""
        with self.guarded(), closing(open_manifest(self.root)) as database:
            row = database.execute("SELECT digest FROM sources WHERE path = ? AND stamp = ?", (str(path), stamp))
            digest_row: tuple[str] | None = row.fetchone()
        if digest_row is not None:
            return digest_row[0]
        digest = make()
        with self.guarded(), self._transaction() as database:
            database.execute("INSERT OR REPLACE INTO sources VALUES (?, ?, ?)", (str(path), stamp, digest))
        return digest

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

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Says of a disk that refuses within the block that it is the store's; raises `StoreWriteError`."""
        try:
            yield
        except (OSError, SafetensorError, sqlite3.Error) as error:
            raise StoreWriteError(
                f"{self.root} can't be written ({error}); free space or choose another folder"
            ) from error

    def _whole(self, record: ClipRecord) -> bool:
        """Return True if both files of a clip exist in their full length."""
        video, arrays = (clip_stem(self.root, record.name, suffix) for suffix in (".mov", ".safetensors"))
        place = ClipPlace(clip=record.name, num_frames=record.num_frames, frames=str(video), arrays=str(arrays))
        try:
            places = self._reader.arrays(place, [record.num_frames - 1])["places"]
        except ReenactError:
            return False
        return video.is_file() and video.stat().st_size >= int(places.sum())

    def _check_schema(self) -> None:
        Store(self.root)  # refuses a damaged manifest
        schema = read_schema(self.root)
        if schema != SCHEMA:
            raise ReenactError(
                f"{self.root} is a store of schema {schema}, which this version reads but does not write; "
                "prepare into another folder"
            )

    def _check_info(self, database: sqlite3.Connection) -> None:
        settings = dict(database.execute("SELECT key, value FROM store").fetchall())
        stored, expected = _split_recipe(settings), _split_recipe(_format_settings(self.info))
        for name in {**expected, **stored}:
            if stored.get(name) != expected.get(name):
                raise ReenactError(
                    f"{self.root} is a store with {name} {stored.get(name)}, not {expected.get(name)}; "
                    "choose another output folder or the same settings"
                )

    def _check_lengths(self, record: ClipRecord, tables: dict[str, NDArray[np.generic]]) -> None:
        for name, table in tables.items():
            if len(table) not in (1, record.num_frames) or (name == "places" and len(table) != record.num_frames):
                raise ReenactError(f"Clip {record.name}: {len(table)} rows of {name} for {record.num_frames} frames")
        if sorted(self.info.fields) != sorted(name for name in tables if name != "places"):
            raise ReenactError(f"Clip {record.name} has {sorted(tables)}, the store has {sorted(self.info.fields)}")

    def _create(self, database: sqlite3.Connection) -> None:
        for statement in _TABLES.split(";"):
            database.execute(statement)
        used = database.execute("SELECT 1 FROM clips WHERE status = 'ok' LIMIT 1").fetchone()
        conflict_policy = "IGNORE" if used else "REPLACE"
        database.executemany(
            f"INSERT OR {conflict_policy} INTO store VALUES (?, ?)", _format_settings(self.info).items()
        )
        self._check_info(database)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with (
            wait_for_claim(self.root / LOCK),
            closing(sqlite3.connect(self.root / MANIFEST, timeout=60)) as database,
            database,
        ):
            database.execute("BEGIN IMMEDIATE")
            yield database


def check_store_folder(root: Path) -> None:
    """Refuse a folder for a store that holds something else, or a file; raises `ReenactError`."""
    if root.exists() and not _has_manifest(root) and not _is_empty(root):
        raise ReenactError(f"{root} exists and is not a store; choose another output folder or remove it")


def fields_of(arrays: ClipArrays) -> tuple[str, ...]:
    """The names under which a clip's arrays are stored, for `StoreInfo.fields`."""
    return tuple(sorted(_build_tables(arrays)))


def failed_record(
    name: str, *, split: str, identity: str, source: str, key: str, reason: str, status: str = "quarantined"
) -> ClipRecord:
    """The row of a clip that could not be prepared."""
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


def _build_tables(arrays: ClipArrays) -> dict[str, NDArray[np.generic]]:
    tables: dict[str, NDArray[np.generic]] = {"crop": arrays.crop, "visible": arrays.visible}
    if arrays.landmarks is not None:
        tables["landmarks"] = np.ascontiguousarray(arrays.landmarks, np.float32)
    if arrays.mask is not None:
        tables["mask"] = np.packbits(arrays.mask, axis=-1)
    return tables | (param_arrays(arrays.params) if arrays.params is not None else {})


def param_arrays(params: FaceParams) -> dict[str, NDArray[np.float32]]:
    """The parts of face parameters that are there, by name, as they are stored; not `mirrored`."""
    values = {name: getattr(params, name) for name in PARAMS}
    return {
        name: np.ascontiguousarray(value.detach().cpu().numpy(), np.float32)
        for name, value in values.items()
        if value is not None
    }


def _source_exists(source: str) -> bool:
    try:
        return Path(source).exists()
    except OSError:  # a name that the disk can't hold
        return False


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


def _has_manifest(root: Path) -> bool:
    """Return True if there is a manifest with content; a writer that died before its first row leaves an empty file."""
    manifest = root / MANIFEST
    return manifest.exists() and manifest.stat().st_size > 0


def _is_empty(root: Path) -> bool:
    return root.is_dir() and all(item.name.startswith((MANIFEST, LOCK)) for item in root.iterdir())


def _format_settings(info: StoreInfo) -> dict[str, str]:
    return {
        "schema": str(SCHEMA),
        "face_model": info.face_model,
        "size": str(info.size),
        "recipe": json.dumps(info.recipe, sort_keys=True),
        "fields": json.dumps(list(info.fields)),
    }


def _split_recipe(settings: dict[str, str]) -> dict[str, str]:
    """A store's settings with those of the recipe one by one, what follows from others last."""
    values = dict(settings)
    fields, recipe = values.pop("fields", ""), json.loads(values.pop("recipe", "{}"))
    return {**values, **recipe, "fields": fields}
