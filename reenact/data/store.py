"""The store: a prepared data set on disk, and reading from it.

Layout:
    manifest.sqlite             one row per clip, and the store's own settings
    clips/<ab>/<clip>.mov       frames, see `frame_file`
    clips/<ab>/<clip>.safetensors   landmarks, crops, parameters, places of the frames
    previews/<clip>.jpg         overlay for a person to judge the fit

`<ab>` is a hash of the clip's name, so that no folder grows past some thousands of files. An array of one row holds
for every frame of its clip. A clip exists once its row does: files without a row are leftovers of an interrupted run.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, fields
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from reenact.data.frame_file import read_frames, resize
from reenact.data.video import Image
from reenact.errors import ReenactError
from reenact.faces.params import FaceParams
from reenact.faces.portrait import Portrait

SCHEMA = 1
MANIFEST = "manifest.sqlite"
PARAMS = tuple(field.name for field in fields(FaceParams) if field.name != "mirrored")


@dataclass(frozen=True)
class StoreInfo:
    """What holds for every clip of a store."""

    face_model: str
    """Name of the face model that the parameters belong to; empty for a store without parameters."""
    size: int
    """Side of the frames in pixels."""
    recipe: dict[str, str]
    """How it was made: crop rule, landmark estimator, ..."""
    fields: tuple[str, ...]
    """Names of the arrays that every clip has."""


@dataclass(frozen=True)
class ClipRecord:
    """One row of the manifest."""

    name: str
    split: str
    identity: str
    status: str
    """`ok` or `quarantined`."""
    reason: str
    """Why it is quarantined."""
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


@dataclass(frozen=True)
class ClipIndex:
    """The clips of a split in compact form, for sampling among millions."""

    ids: NDArray[np.int64]
    """(N,) row numbers in the manifest."""
    identities: NDArray[np.int64]
    """(N,) identity numbers, dense from 0, in the order of the identities' names."""
    num_frames: NDArray[np.int64]
    """(N,) frames of each clip."""


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

    def clips(self, split: str | None = None, status: str | None = "ok") -> list[ClipRecord]:
        """The clips of a split (all splits by default) and status, by name."""
        query = "SELECT * FROM clips WHERE (?1 IS NULL OR split = ?1) AND (?2 IS NULL OR status = ?2) ORDER BY name"
        return [record_of(row) for row in self._rows(query, (split, status))]

    def clip(self, which: str | int) -> ClipRecord:
        """A clip by name or by manifest row number; raises `ReenactError` if there is none."""
        column = "name" if isinstance(which, str) else "id"
        rows = self._rows(f"SELECT * FROM clips WHERE {column} = ?", (which,))
        if not rows:
            raise ReenactError(f"{self.root} has no clip {which!r}")
        return record_of(rows[0])

    def splits(self) -> list[str]:
        """The splits that have usable clips."""
        return [row[0] for row in self._rows("SELECT DISTINCT split FROM clips WHERE status = 'ok' ORDER BY 1", ())]

    def index(self, split: str, min_frames: int = 1) -> ClipIndex:
        """The usable clips of a split with at least `min_frames` frames."""
        condition = "split = ? AND status = 'ok' AND num_frames >= ?"
        rows = self._rows(
            f"SELECT id, identity, num_frames FROM clips WHERE {condition} ORDER BY name", (split, min_frames)
        )
        codes = {name: code for code, name in enumerate(sorted({row[1] for row in rows}))}
        table = np.array([(row[0], codes[row[1]], row[2]) for row in rows], np.int64).reshape(-1, 3)
        return ClipIndex(*(np.ascontiguousarray(column) for column in table.T))

    def read(self, clip: ClipRecord, frames: Sequence[int], size: int | None = None) -> Portrait:
        """Read some frames of a clip as a batch of portraits; decodes nothing else.

        Args:
            clip: Whose frames.
            frames: N frame numbers.
            size: Side of the images in pixels; the store's by default. Landmarks follow; parameters don't depend on it.

        Raises:
            ReenactError: if a frame does not exist, or the clip's files are missing, damaged, or disagree in length.
        """
        size = size or self.info.size
        arrays = self.arrays(clip, frames)
        images = [resize(image, size) for image in read_frames(self.frames_path(clip.name), arrays["places"])]
        landmarks, scale = arrays.get("landmarks"), size / self.info.size
        return Portrait(
            image=to_tensor(np.stack(images)),
            params=_params(arrays),
            landmarks=None if landmarks is None else torch.from_numpy(landmarks * np.float32(scale)),
            frame=torch.tensor(list(frames)),
            identity=[clip.identity] * len(frames),
            clip=[clip.name] * len(frames),
        )

    def arrays(self, clip: ClipRecord, frames: Sequence[int] | None = None) -> dict[str, NDArray[Any]]:
        """The rows of a clip's arrays that belong to some frames (all by default).

        Returns:
            `places` (N, 2), `crop` (N, 4) of `faces.crop`, `visible` (N,), `landmarks` (N, 68, 2) in pixels of the
            store's frames, and the fields of `FaceParams`.

        Raises:
            ReenactError: as `read`.
        """
        wanted = np.arange(clip.num_frames) if frames is None else np.asarray(frames, np.int64)
        if wanted.size and not (wanted.min() >= 0 and wanted.max() < clip.num_frames):
            raise ReenactError(f"Clip {clip.name} of {self.root} has no frame {wanted.max()}: it has {clip.num_frames}")
        path = self.arrays_path(clip.name)
        try:
            with safe_open(path, framework="numpy") as file:
                return {name: self._rows_of(file.get_slice(name), name, wanted, clip) for name in file.keys()}  # noqa: SIM118
        except (OSError, SafetensorError, ValueError) as error:
            raise ReenactError(f"{path} of clip {clip.name} is missing or damaged; prepare the clip again") from error

    def frames_path(self, clip: str) -> Path:
        """The picture file of a clip."""
        return clip_stem(self.root, clip, ".mov")

    def arrays_path(self, clip: str) -> Path:
        """The array file of a clip."""
        return clip_stem(self.root, clip, ".safetensors")

    def _rows_of(
        self,
        table: Any,  # noqa: ANN401  # safetensors has no type for a slice
        name: str,
        wanted: NDArray[np.int64],
        clip: ClipRecord,
    ) -> NDArray[Any]:
        rows = table.get_shape()[0]
        if rows == 1:
            return np.repeat(table[0:1], len(wanted), axis=0)
        if rows != clip.num_frames:
            raise ReenactError(
                f"Clip {clip.name} of {self.root} has {clip.num_frames} frames but {rows} rows of {name}; "
                "prepare it again"
            )
        if len(wanted) == rows:
            return np.asarray(table[:][wanted])
        return np.concatenate([table[i : i + 1] for i in wanted.tolist()])

    def _rows(self, query: str, values: tuple[object, ...]) -> list[sqlite3.Row]:
        try:
            with closing(connect(self.root)) as database:
                return database.execute(query, values).fetchall()
        except sqlite3.DatabaseError as error:
            raise _damaged(self.root, error) from error


def connect(root: Path) -> sqlite3.Connection:
    """Open a store's manifest for reading only; raises `ReenactError` if there is none."""
    path = root / MANIFEST
    if not path.is_file():
        raise ReenactError(
            f"{root} is not a store: it has no {MANIFEST}; make one with `reenact prepare INPUT --out {root}`"
        )
    database = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=60)
    database.row_factory = sqlite3.Row
    return database


def to_tensor(images: NDArray[np.uint8]) -> torch.Tensor:
    """(..., H, W, 3) uint8 to (..., 3, H, W) float32 in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(images, -1, -3))).float().mul_(2 / 255).sub_(1)


def to_image(tensor: torch.Tensor) -> Image:
    """(..., 3, H, W) in [-1, 1] to (..., H, W, 3) uint8, clamped and rounded."""
    return np.moveaxis(tensor.detach().clamp(-1, 1).add(1).mul(127.5).round().byte().cpu().numpy(), -3, -1)


def clip_stem(root: Path, clip: str, suffix: str) -> Path:
    """Where a clip's file lies.

    Raises:
        ReenactError: if the name could leave the store's folder.
    """
    if clip in ("", ".", "..") or clip.startswith(".") or any(mark in clip for mark in ("/", "\\", "\0")):
        raise ReenactError(f"{clip!r} is no name for a clip: it may not begin with a dot or contain a slash")
    return root / "clips" / hashlib.sha256(clip.encode()).hexdigest()[:2] / f"{clip}{suffix}"


def _read_info(root: Path) -> StoreInfo:
    try:
        with closing(connect(root)) as database:
            values: dict[str, str] = dict(database.execute("SELECT key, value FROM store").fetchall())
    except sqlite3.DatabaseError as error:
        raise _damaged(root, error) from error
    if values.get("schema") != str(SCHEMA):
        raise ReenactError(
            f"{root} has schema {values.get('schema')}, this version reads {SCHEMA}; "
            "prepare it again or use the version that made it"
        )
    try:
        return StoreInfo(
            face_model=values["face_model"],
            size=int(values["size"]),
            recipe=json.loads(values["recipe"]),
            fields=tuple(json.loads(values["fields"])),
        )
    except (KeyError, ValueError) as error:
        raise _damaged(root, error) from error


def _damaged(root: Path, error: Exception) -> ReenactError:
    return ReenactError(f"{root / MANIFEST} is damaged ({error}); prepare the store again")


def record_of(row: sqlite3.Row) -> ClipRecord:
    """A row of the manifest's table `clips`."""
    values = {field.name: row[field.name] for field in fields(ClipRecord)}
    return ClipRecord(**values | {"fps": Fraction(values["fps"]), "seconds": json.loads(values["seconds"])})


def _params(arrays: dict[str, NDArray[Any]]) -> FaceParams | None:
    if "shape" not in arrays:
        return None
    return FaceParams(**{name: torch.from_numpy(arrays[name]) for name in PARAMS if name in arrays})
