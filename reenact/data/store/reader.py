"""The store: a prepared data set on disk, and reading from it.

Layout:
    manifest.sqlite             one row per clip, and the store's own settings
    clips/<ab>/<clip>.mov       frames, see `frame_file`
    clips/<ab>/<clip>.safetensors   landmarks, crops, parameters, places of the frames
    previews/<clip>.jpg         overlay for a person to judge the fit
    work/                       results of the stages of clips that are not finished, see `prepare.work`

`<ab>` is a hash of the clip's name, so that no folder grows past some thousands of files. An array of one row holds
for every frame of its clip. A clip exists once its row does: files without a row are leftovers of an interrupted run.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, fields
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from reenact.data.store.byte_ranges import LocalFiles
from reenact.data.store.clip_files import ClipPlace, ClipReader
from reenact.data.store.clip_table import ClipTable
from reenact.data.store.root_files import MANIFEST
from reenact.data.store.schema import MOST_FRAMES, MOST_SIDE, check_face_model, check_integer, check_text, check_texts
from reenact.errors import ReenactError
from reenact.faces.portrait import Portrait

SCHEMA = 2
"""Version of the stores that this package writes."""
READABLE = (1, 2)
"""Schemas that it reads: 1 had no status `missing`."""
STATUSES = ("ok", "quarantined", "missing")


@dataclass(frozen=True)
class StoreInfo:
    """Settings that hold for every clip of a store."""

    face_model: str
    """Name of the face model that the parameters belong to; empty for a store without parameters."""
    size: int
    """Side of the frames in pixels."""
    recipe: dict[str, str]
    """Settings by which the store was prepared: crop rule, landmark estimator, ..."""
    fields: tuple[str, ...]
    """Names of the arrays that every clip has."""


@dataclass(frozen=True, kw_only=True)
class ClipRecord:
    """One row of the manifest."""

    name: str
    split: str
    identity: str
    status: str
    """`ok`, `quarantined` (there but of no use) or `missing` (the data set's metadata name it, the disk lacks it)."""
    reason: str
    """Reason why the clip is not usable; for a usable one, a remark."""
    source: str
    """The file it was made from."""
    key: str
    """Fingerprint of the source's content and the settings."""
    num_frames: int
    fps: Fraction
    source_width: int
    source_height: int
    error: float
    """Mean reprojection error of the landmarks, as a fraction of the distance between the outer eye corners."""
    seconds: dict[str, float]
    """Time that each stage took."""


class Store:
    """Reads a store; holds no open file, so it may be copied into worker processes.

    Args:
        root: The store's folder.

    Raises:
        ReenactError: if it is not a store, damaged, or one of another schema.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.info = _read_info(root)
        self.reader = ClipReader(LocalFiles(), "prepare the clip again", self.info.fields)

    def clips(self, split: str | None = None, status: str | None = "ok") -> list[ClipRecord]:
        """The clips of a split (all splits by default) and status, by name."""
        query = "SELECT * FROM clips WHERE (?1 IS NULL OR split = ?1) AND (?2 IS NULL OR status = ?2) ORDER BY name"
        return [record_of(row, self.root) for row in self._rows(query, (split, status))]

    def scan(self) -> Iterator[ClipRecord]:
        """All clips of any status by name, one in memory at a time."""
        try:
            with closing(open_manifest(self.root)) as database:
                for row in database.execute("SELECT * FROM clips ORDER BY name"):
                    yield record_of(row, self.root)
        except (sqlite3.Error, UnicodeDecodeError) as error:  # the name of a column may be no text
            raise _damaged_store_error(self.root, error) from error

    def sources(self) -> dict[str, tuple[str, str]]:
        """Return the source file and key of each usable clip by its name."""
        rows = self._rows("SELECT name, source, key FROM clips WHERE status = 'ok'", ())
        return {row["name"]: (row["source"], row["key"]) for row in rows}

    def waiting(self) -> dict[str, int]:
        """Clips of each split that a run of `prepare` has planned and none has finished."""
        if not self._rows("SELECT 1 FROM sqlite_master WHERE name = 'planned'", ()):  # an older version's store
            return {}
        query = "SELECT split, COUNT(*) FROM planned WHERE name NOT IN (SELECT name FROM clips) GROUP BY split"
        return {str(split): count for split, count in self._rows(query, ())}

    def clip(self, name: str) -> ClipRecord:
        """A clip by name; raises `ReenactError` if there is none."""
        rows = self._rows("SELECT * FROM clips WHERE name = ?", (name,))
        if not rows:
            raise ReenactError(f"{self.root} has no clip {name!r}; `reenact prepare --status {self.root}` lists them")
        return record_of(rows[0], self.root)

    @cached_property
    def table(self) -> ClipTable:
        """The usable clips, as they were when they were first asked for."""
        query = "SELECT name, split, identity, num_frames FROM clips WHERE status = 'ok' ORDER BY name"
        try:
            with closing(open_manifest(self.root)) as database:
                database.row_factory = None
                return ClipTable.of(map(_table_row, database.execute(query)))
        except (sqlite3.Error, ValueError) as error:
            raise _damaged_store_error(self.root, error) from error

    def place(self, row: int) -> ClipPlace:
        """Location of the files of the clip in a row of the table."""
        return self._place(self.table.names[row], int(self.table.num_frames[row]))

    def read(self, clip: ClipRecord, frames: Sequence[int], size: int | None = None) -> Portrait:
        """Read some frames of a clip as a batch of portraits; decodes nothing else.

        Args:
            clip: Whose frames.
            frames: N frame numbers.
            size: Side of the images in pixels; the store's by default. Landmarks follow; parameters don't depend on it.

        Raises:
            ReenactError: if a frame does not exist, or the clip's files are missing, damaged, or disagree in length.
        """
        place = self._place(clip.name, clip.num_frames)
        return self.reader.read(place, clip.identity, frames, self.info.size, size or self.info.size).normalised()

    def arrays(self, clip: ClipRecord, frames: Sequence[int] | None = None) -> dict[str, NDArray[Any]]:
        """The rows of a clip's arrays that belong to some frames (all by default): see `ClipReader.arrays`.

        Raises:
            ReenactError: as `read`.
        """
        return self.reader.arrays(self._place(clip.name, clip.num_frames), frames)

    def frames_path(self, clip: str) -> Path:
        """The picture file of a clip."""
        return clip_stem(self.root, clip, ".mov")

    def arrays_path(self, clip: str) -> Path:
        """Path of the array file of a clip."""
        return clip_stem(self.root, clip, ".safetensors")

    def _place(self, name: str, num_frames: int) -> ClipPlace:
        return ClipPlace(
            clip=name, num_frames=num_frames, frames=str(self.frames_path(name)), arrays=str(self.arrays_path(name))
        )

    def _rows(self, query: str, values: tuple[object, ...]) -> list[sqlite3.Row]:
        try:
            with closing(open_manifest(self.root)) as database:
                return database.execute(query, values).fetchall()
        except (sqlite3.Error, UnicodeDecodeError) as error:  # the name of a column may be no text
            raise _damaged_store_error(self.root, error) from error


def open_manifest(root: Path) -> sqlite3.Connection:
    """Open a store's manifest for reading only; raises `ReenactError` if there is none."""
    path = root / MANIFEST
    if not path.is_file():
        raise ReenactError(
            f"{root} is not a store: it has no {MANIFEST}; make one with `reenact prepare INPUT --out {root}`"
        )
    database = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=60)
    database.row_factory = sqlite3.Row
    return database


def clip_stem(root: Path, clip: str, suffix: str) -> Path:
    """Path of a clip's file with this suffix.

    Raises:
        ReenactError: if the name could leave the store's folder.
    """
    if clip in ("", ".", "..") or clip.startswith(".") or any(mark in clip for mark in ("/", "\\", "\0")):
        raise ReenactError(f"{clip!r} is no name for a clip: it may not begin with a dot or contain a slash")
    return root / "clips" / hashlib.sha256(clip.encode()).hexdigest()[:2] / f"{clip}{suffix}"


def read_schema(root: Path) -> int:
    """The schema of a store; raises `ReenactError` if it is no store, damaged, or of a schema that can't be read."""
    schema = _read_settings(root).get("schema", "")
    if not schema.isdecimal():
        raise _damaged_store_error(root, ValueError("it has no schema"))
    if int(schema) not in READABLE:
        remedy = "update reenact" if int(schema) > SCHEMA else "prepare it again"
        raise ReenactError(f"{root} has schema {schema}, this version reads {READABLE[0]} to {SCHEMA}; {remedy}")
    return int(schema)


def _read_info(root: Path) -> StoreInfo:
    read_schema(root)
    values = _read_settings(root)
    try:
        return info_of(
            {
                "face_model": values["face_model"],
                "size": int(values["size"]),
                "recipe": json.loads(values["recipe"]),
                "fields": json.loads(values["fields"]),
            }
        )
    except KeyError as error:
        raise _damaged_store_error(root, ValueError(f"it has no {error.args[0]}")) from error
    except (ValueError, RecursionError) as error:
        raise _damaged_store_error(root, error) from error


def info_of(values: Mapping[str, Any]) -> StoreInfo:
    """Make the settings of a store from what its file says; raise `KeyError` or `ValueError` where it is damaged."""
    recipe = values["recipe"]
    if not isinstance(recipe, dict):
        raise ValueError("recipe holds no settings")
    return StoreInfo(
        face_model=check_face_model(values["face_model"]),
        size=check_integer(values["size"], "size", 1, MOST_SIDE),
        recipe={str(name): check_text(value, f"recipe {name}") for name, value in recipe.items()},
        fields=check_texts(values["fields"], "fields"),
    )


def _read_settings(root: Path) -> dict[str, str]:
    try:
        with closing(open_manifest(root)) as database:
            rows = database.execute("SELECT key, value FROM store").fetchall()
            return {check_text(key, "a setting"): check_text(value, f"setting {key}") for key, value in rows}
    except (sqlite3.Error, ValueError) as error:
        raise _damaged_store_error(root, error) from error


def _damaged_store_error(root: Path, error: Exception) -> ReenactError:
    return ReenactError(f"{root / MANIFEST} is damaged ({error}); prepare the store again")


def record_of(row: sqlite3.Row, root: Path) -> ClipRecord:
    """Make a record from a row of the manifest's table `clips`.

    Raises:
        ReenactError: if a value of the row is not what it must be; the message names the store in `root`.
    """
    try:
        values = {field.name: row[field.name] for field in fields(ClipRecord)}
        for name in ("name", "split", "identity", "reason", "source", "key", "fps", "seconds"):
            check_text(values[name], name)
        for name in ("num_frames", "source_width", "source_height"):
            check_integer(values[name], name, 0, MOST_FRAMES)
        rate, seconds = Fraction(values["fps"]), json.loads(values["seconds"])
        if values["status"] not in STATUSES or not isinstance(values["error"], int | float) or rate <= 0:
            raise ValueError("status, error or frame rate of a clip makes no sense")
        if not isinstance(seconds, dict) or not all(isinstance(took, int | float) for took in seconds.values()):
            raise ValueError("seconds of a clip are no times of stages")
    except (ValueError, IndexError, ArithmeticError, RecursionError) as error:
        raise _damaged_store_error(root, error) from error
    return ClipRecord(**values | {"fps": rate, "seconds": seconds})


def _table_row(row: tuple[object, ...]) -> tuple[str, str, str, int]:
    name, split, identity, frames = row
    texts = (check_text(value, "a name of a clip") for value in (name, split, identity))
    return next(texts), next(texts), next(texts), check_integer(frames, "num_frames", 0, MOST_FRAMES)
