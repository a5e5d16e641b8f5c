"""Writing the manifest of a store: rows of clips, of plans and of reserved names, from several processes and machines.

SQLite's own locks can't be trusted on every network disk, so whoever writes the manifest holds a claim as well.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import fields
from pathlib import Path

from safetensors import SafetensorError

from reenact.claims import wait_for_claim
from reenact.data.store.reader import SCHEMA, ClipRecord, Store, StoreInfo, open_manifest, read_schema, record_of
from reenact.data.store.root_files import MANIFEST
from reenact.errors import ReenactError

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


class ManifestWriter:
    """Adds rows to the manifest of a store, which it creates where there is none.

    Args:
        root: The store's folder.
        info: Contents of the store; an existing store must hold the same, unless it has no usable clip yet.

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

    def find_row(self, name: str, key: str) -> ClipRecord | None:
        """Return the row of a clip of a content and settings, or None; raises `StoreWriteError`."""
        with self.guarded(), closing(open_manifest(self.root)) as database:
            row = database.execute("SELECT * FROM clips WHERE name = ? AND key = ?", (name, key)).fetchone()
        return None if row is None else record_of(row, self.root)

    def remove_row(self, name: str) -> None:
        """Remove the row of a clip: from now on the clip does not exist."""
        with self._transaction() as database:
            database.execute("DELETE FROM clips WHERE name = ?", (name,))

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
    def guarded(self) -> Iterator[None]:
        """Says of a disk that refuses within the block that it is the store's; raises `StoreWriteError`."""
        try:
            yield
        except (OSError, SafetensorError, sqlite3.Error) as error:
            raise StoreWriteError(
                f"{self.root} can't be written ({error}); free space or choose another folder"
            ) from error

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


def _source_exists(source: str) -> bool:
    try:
        return Path(source).exists()
    except OSError:  # a name that the disk can't hold
        return False


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
