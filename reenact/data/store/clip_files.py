"""Reading some frames of a prepared clip, and what is known of them, straight from their bytes.

The array file is in the safetensors format (8 bytes of header length, a JSON header, rows): its rows are read by their
offsets, wherever the file lies, also inside a shard.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from reenact.data.store.byte_ranges import Files, Range
from reenact.data.store.frame_file import decode_frame, resize_square, write_planes
from reenact.data.store.schema import MOST_FRAMES, check_integer
from reenact.errors import ReenactError
from reenact.faces.params import FaceParams
from reenact.faces.portrait import Portrait
from reenact.faces.windows import list_window

PARAMS = tuple(field.name for field in fields(FaceParams) if field.name != "mirrored")
_KINDS = {"U8": np.uint8, "F32": np.float32, "F64": np.float64, "I64": np.int64, "BOOL": np.bool_}
_LARGEST_HEADER = 1 << 20
_MOST_BYTES = 1 << 31
"""Bytes that are read at once; more is a damaged number."""
_ROWS: dict[str, tuple[str, tuple[int, ...]]] = {
    "places": ("I64", (2,)),
    "crop": ("F64", (4,)),
    "visible": ("BOOL", ()),
    "landmarks": ("F32", (68, 2)),
}
"""Type and shape of a row of each array; those of face parameters are (K,) or (K, L) float32, and that of `mask` is
(size, size / 8) bytes, one bit a pixel."""


@dataclass(frozen=True, kw_only=True)
class ClipPlace:
    """Location of a clip's two files: the files that hold them, and the offsets at which they begin."""

    clip: str
    num_frames: int
    frames: str
    """The file that holds the pictures."""
    arrays: str
    """The file that holds landmarks, crops, parameters and the places of the frames."""
    frames_start: int = 0
    """First byte of the picture file in `frames`."""
    arrays_start: int = 0
    """First byte of the array file in `arrays`."""
    arrays_size: int = 1 << 62
    """Bytes of the array file, where something follows it."""


@dataclass(frozen=True)
class _Table:
    kind: np.dtype[Any]
    shape: tuple[int, ...]
    start: int
    """First byte, counted from the end of the header."""
    row_size: int
    """Size of a row in bytes."""


class ClipReader:
    """Reader of the frames and arrays of clips.

    Args:
        files: Where the bytes come from.
        remedy: What to do about a damaged clip.
        fields: Arrays that every clip must have.
    """

    def __init__(self, files: Files, remedy: str, fields: Sequence[str] = ()) -> None:
        self._files = files
        self._fields = frozenset({"places", *fields})
        self._remedy = remedy

    def read(
        self,
        place: ClipPlace,
        identity: str,
        frames: Sequence[int],
        stored_size: int,
        size: int,
        window: int = 0,
        unread: Collection[str] = (),
    ) -> Portrait:
        """Some frames of a clip as a batch of portraits, their images uint8; decodes nothing else.

        Args:
            place: Where the clip lies.
            identity: Whom it shows.
            frames: N frame numbers.
            stored_size: Side of the stored frames in pixels.
            size: Side of the images in pixels; landmarks follow.
            window: Frames on either side whose face parameters come along.
            unread: Arrays that are left out.

        Raises:
            ReenactError: if a frame does not exist, or the clip's files are missing, damaged, or disagree in length.
        """
        arrays, around = (
            self._read_window(place, frames, window, unread) if window else (self.arrays(place, frames, unread), {})
        )
        landmarks = arrays.get("landmarks")
        if landmarks is not None and size != stored_size:
            landmarks *= np.float32(size / stored_size)
        return Portrait(
            image=torch.from_numpy(self._pictures(place, arrays["places"], stored_size, size)),
            params=_build_params(arrays),
            window=_build_params(around),
            landmarks=None if landmarks is None else torch.from_numpy(landmarks),
            mask=None if "mask" not in arrays else self._masks(place, arrays["mask"], stored_size, size),
            frame=torch.tensor(list(frames)),
            identity=[identity] * len(frames),
            clip=[place.clip] * len(frames),
        )

    def arrays(
        self, place: ClipPlace, frames: Sequence[int] | None = None, unread: Collection[str] = ()
    ) -> dict[str, NDArray[Any]]:
        """The rows of a clip's arrays that belong to some frames (all by default), without those in `unread`.

        Returns:
            `places` (N, 2), `crop` (N, 4) of `faces.crop`, `visible` (N,), `landmarks` (N, 68, 2) in pixels of the
            stored frames, `mask` (N, size, size / 8) of packed bits, and the fields of `FaceParams`.

        Raises:
            ReenactError: as `read`.
        """
        numbers = range(place.num_frames) if frames is None else frames
        self._check_frames(place, numbers)
        return self._read_rows(place, numbers, numbers, unread)

    def _read_window(
        self, place: ClipPlace, frames: Sequence[int], window: int, unread: Collection[str]
    ) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]:
        """Read the rows of N frames, and those of the face parameters (N, 2 window + 1) around each, in one go."""
        self._check_frames(place, frames)
        around = list_window(frames, window, place.num_frames)
        numbers = sorted({*around.ravel().tolist()})
        rows = np.searchsorted(numbers, around)
        arrays = self._read_rows(place, frames, numbers, unread)
        windows = {name: arrays[name][rows] for name in PARAMS if name in arrays}
        return {**arrays, **{name: array[:, window] for name, array in windows.items()}}, windows

    def _read_rows(
        self, place: ClipPlace, frames: Sequence[int], near: Sequence[int], unread: Collection[str]
    ) -> dict[str, NDArray[Any]]:
        """Read the rows of the face parameters that belong to the frames `near`, and other rows that do to `frames`."""
        start = place.arrays_start
        (head,) = self._bytes(place, [(place.arrays, start, start + min(self._files.peek, place.arrays_size))])
        end = 8 + int.from_bytes(head[:8], "little")
        if len(head) < end <= _LARGEST_HEADER:
            (head,) = self._bytes(place, [(place.arrays, start, start + end)])
        tables = self._tables(place, head[8:end])
        read_tables = {name: table for name, table in tables.items() if name not in unread}
        numbers = {name: near if name in PARAMS else frames for name in read_tables}
        return self._rows(place, head, end, read_tables, numbers)

    def _check_frames(self, place: ClipPlace, frames: Sequence[int]) -> None:
        wrong = next((frame for frame in frames if not 0 <= frame < place.num_frames), None)
        if wrong is not None:
            raise ReenactError(f"Clip {place.clip} has no frame {wrong}: it has {place.num_frames}")

    def _tables(self, place: ClipPlace, header: bytes) -> dict[str, _Table]:
        try:
            entries = {name: entry for name, entry in json.loads(header).items() if name != "__metadata__"}
            tables = {name: _parse_table(name, entry) for name, entry in entries.items()}
        except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
            raise self._damaged(place, place.arrays) from error
        if not self._fields <= set(tables):
            raise self._damaged(place, place.arrays)
        for name, table in tables.items():
            if table.shape[0] != place.num_frames and (table.shape[0] != 1 or name == "places"):
                raise ReenactError(
                    f"Clip {place.clip} has {place.num_frames} frames but {table.shape[0]} rows of {name} in"
                    f" {place.arrays}; {self._remedy}"
                )
        return tables

    def _rows(
        self, place: ClipPlace, head: bytes, end: int, tables: dict[str, _Table], numbers: dict[str, Sequence[int]]
    ) -> dict[str, NDArray[Any]]:
        """Rows of the frame numbers of each table; the one row of a table serves all frames."""
        groups = {id(frames): _group_runs(frames) for frames in numbers.values()}
        runs = {name: groups[id(numbers[name])] if table.shape[0] > 1 else [(0, 1)] for name, table in tables.items()}
        spans = [
            (end + table.start + first * table.row_size, end + table.start + last * table.row_size)
            for name, table in tables.items()
            for first, last in runs[name]
        ]
        start = place.arrays_start
        later_ranges = [(place.arrays, start + first, start + last) for first, last in spans if last > len(head)]
        rest = iter(self._bytes(place, later_ranges) if later_ranges else ())
        parts = iter([head[first:last] if last <= len(head) else next(rest) for first, last in spans])
        arrays: dict[str, NDArray[Any]] = {}
        for name, table in tables.items():
            data = bytearray().join(next(parts) for _ in runs[name])
            count = len(numbers[name]) if table.shape[0] > 1 else 1
            if len(data) != count * table.row_size:
                raise self._damaged(place, place.arrays)
            rows = np.frombuffer(data, table.kind).reshape(count, *table.shape[1:])
            arrays[name] = rows if count == len(numbers[name]) else np.repeat(rows, len(numbers[name]), axis=0)
        return arrays

    def _pictures(self, place: ClipPlace, places: NDArray[np.int64], stored_size: int, size: int) -> NDArray[np.uint8]:
        """Decode frames to (N, 3, size, size) uint8 RGB."""
        if places.min() < 0 or places[:, 1].min() == 0 or places.sum(1, dtype=np.float64).max() > 1 << 62:
            raise self._damaged(place, place.arrays)
        start = place.frames_start
        ranges = [(place.frames, start + first, start + first + length) for first, length in places.tolist()]
        images = [decode_frame(data, stored_size) for data in self._bytes(place, ranges)]
        pictures = np.empty((len(images), 3, size, size), np.uint8)
        for picture, image in zip(pictures, images, strict=True):
            if image is None:
                raise self._damaged(place, place.frames)
            write_planes(resize_square(image, size), picture)
        return pictures

    def _masks(self, place: ClipPlace, rows: NDArray[np.uint8], stored_size: int, size: int) -> torch.Tensor:
        """Unpack masks to (N, 1, size, size) uint8."""
        if rows.shape[1:] != (stored_size, -(-stored_size // 8)):
            raise self._damaged(place, place.arrays)
        masks = np.unpackbits(rows, axis=-1, count=stored_size) * np.uint8(255)
        return torch.from_numpy(np.stack([resize_square(mask, size) for mask in masks])[:, None])

    def _bytes(self, place: ClipPlace, ranges: list[Range]) -> list[bytes]:
        if any(last - first > _MOST_BYTES for _, first, last in ranges):
            raise self._damaged(place, place.arrays)
        try:
            return self._files.read(ranges)
        except OSError as error:
            raise ReenactError(
                f"{error.filename} of clip {place.clip} can't be read ({error.strerror}); {self._remedy}"
            ) from error

    def _damaged(self, place: ClipPlace, file: str) -> ReenactError:
        return ReenactError(f"{file} of clip {place.clip} is damaged; {self._remedy}")


def _parse_table(name: str, entry: dict[str, Any]) -> _Table:
    """Read an entry of the header; raise `KeyError`, `TypeError` or `ValueError` where it makes no sense."""
    kind = np.dtype(_KINDS[entry["dtype"]])
    shape = tuple(check_integer(side, "a side", 0, MOST_FRAMES) for side in entry["shape"])
    start, end = (check_integer(place, "an offset", 0, 1 << 60) for place in entry["data_offsets"])
    row = math.prod(shape[1:])
    if name in _ROWS and (entry["dtype"], shape[1:]) != _ROWS[name]:
        raise ValueError(f"{name} has type {entry['dtype']} and shape {shape}")
    if name == "mask" and (entry["dtype"] != "U8" or len(shape) != 3 or not row):
        raise ValueError(f"{name} has type {entry['dtype']} and shape {shape}")
    if name in PARAMS and (entry["dtype"] != "F32" or len(shape) not in (2, 3) or not row):
        raise ValueError(f"{name} has type {entry['dtype']} and shape {shape}")
    if not shape or end - start != kind.itemsize * shape[0] * row:
        raise ValueError(f"{name} has {end - start} bytes for the shape {shape}")
    return _Table(kind, shape, start, kind.itemsize * row)


def _group_runs(frames: Sequence[int]) -> list[tuple[int, int]]:
    """Stretches of frames in a row, each as its first and the one after its last."""
    runs: list[tuple[int, int]] = []
    for frame in frames:
        if runs and runs[-1][1] == frame:
            runs[-1] = (runs[-1][0], frame + 1)
        else:
            runs.append((frame, frame + 1))
    return runs


def _build_params(arrays: dict[str, NDArray[Any]]) -> FaceParams | None:
    if "shape" not in arrays:
        return None
    return FaceParams(**{name: torch.from_numpy(arrays[name]) for name in PARAMS if name in arrays})
