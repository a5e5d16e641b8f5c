"""Places where other projects keep frames and coefficients: an lmdb folder, or videos with MATLAB files.

Layouts are those of RenYurui/PIRender, `scripts/prepare_vox_lmdb.py` and `scripts/face_recon_videos.py`.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import UnidentifiedImageError

from reenact.data.coefficients.rows import PLACE
from reenact.errors import ReenactError
from reenact.faces.bfm import COEFFICIENTS
from reenact.faces.mat_file import read_mat
from reenact.install import install_hint
from reenact.media.listing import is_system_file
from reenact.media.video import VIDEO_SUFFIXES, Image, VideoReader, probe_video

Array = NDArray[Any]
SPLITS = ("train", "test")
RATE = Fraction(25)
"""Frames per second of an lmdb's clips, which VoxCeleb's videos have."""
MOST_FRAMES = 1_000_000
"""Frames of a clip above which its length can't be right."""


@dataclass(frozen=True, kw_only=True)
class CoefficientClip:
    """A clip with coefficients for each frame."""

    name: str
    split: str
    source: str
    """Path of the files, for messages."""
    read: Callable[[], ClipRows]
    """The coefficients; raises `ReenactError` if they are missing or damaged."""


@dataclass(frozen=True, kw_only=True)
class ClipRows:
    """The content of a clip of T frames."""

    coefficients: Array
    """(T, 257)."""
    places: Array
    """(T, 3) scale and place of Deep3D's crop."""
    frames: Callable[[], Iterator[Image]]
    """The T pictures (H, W, 3)."""
    side: int
    """Width and height in pixels of the pictures that the crops belong to."""
    fps: Fraction


def find_lmdb_clips(root: Path, side: int) -> list[CoefficientClip]:
    """The clips that `train_list.txt` and `test_list.txt` of a folder name, in the lmdb folder beside them.

    Args:
        root: The folder with the lists and one folder with `data.mdb`, named by the side of the pictures.
        side: Width and height of the videos that the coefficients were estimated in.

    Raises:
        ReenactError: if lmdb is not installed, or a list or the lmdb is missing or damaged.
    """
    folders = sorted(path.parent for path in root.glob("*/data.mdb"))
    if len(folders) != 1:
        raise ReenactError(f"{root} has {len(folders)} folders with data.mdb; leave one, such as {root / '256'}")
    try:
        import lmdb
    except ImportError as error:
        raise ReenactError(f"{folders[0]} needs the package lmdb: {install_hint('lmdb')}") from error
    try:
        database = lmdb.open(str(folders[0]), readonly=True, lock=False, readahead=False, create=False)
    except lmdb.Error as error:
        raise ReenactError(f"{folders[0]} is no lmdb, or damaged ({error}); copy it again") from error

    def look_up(key: str) -> bytes:
        with database.begin() as transaction:
            value = transaction.get(key.encode())
        if value is None:
            raise ReenactError(f"{folders[0]} has no entry {key}; prepare it again")
        return bytes(value)

    return [
        CoefficientClip(
            name=name,
            split=split,
            source=f"{folders[0]}/{name}",
            read=partial(_read_entries, folders[0], name, side, look_up),
        )
        for split in SPLITS
        for name in _read_list(root / f"{split}_list.txt")
    ]


def _read_list(path: Path) -> list[str]:
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise ReenactError(f"{path} can't be read ({error}); it names the clips of the lmdb, one a line") from error


def _read_entries(folder: Path, name: str, side: int, look_up: Callable[[str], bytes]) -> ClipRows:
    length = look_up(f"{name}-length")
    if not length.isdigit() or not 0 < int(length) < MOST_FRAMES:
        raise ReenactError(f"{folder}: {name}-length is {length[:20]!r}, no number of frames; prepare it again")
    content, count = look_up(f"{name}-coeff_3dmm"), int(length)
    columns = COEFFICIENTS + PLACE
    if len(content) != 4 * count * columns:
        per_frame = len(content) / (4 * count)
        raise ReenactError(
            f"{folder}: {name}-coeff_3dmm has {per_frame:g} numbers a frame for {count} frames, not {columns},"
            " Deep3D's 257 coefficients and 3 of the crop; prepare it again"
        )
    rows = np.frombuffer(content, "<f4").reshape(count, columns)

    def decode_frames() -> Iterator[Image]:
        for number in range(count):
            key = f"{name}-{number:07d}"
            try:
                with PillowImage.open(io.BytesIO(look_up(key)), formats=("JPEG", "PNG")) as picture:
                    yield np.asarray(picture.convert("RGB"))
            except (UnidentifiedImageError, OSError, ValueError) as error:
                raise ReenactError(f"{folder}: {key} is no picture ({error}); prepare it again") from error

    return ClipRows(
        coefficients=rows[:, :COEFFICIENTS], places=rows[:, COEFFICIENTS:], frames=decode_frames, side=side, fps=RATE
    )


def find_mat_clips(root: Path, coefficients: Path) -> list[CoefficientClip]:
    """The videos of `train/` and `test/` of a folder, with `train/VIDEO.mat` and `test/VIDEO.mat` of another one.

    Raises:
        ReenactError: if there are no videos.
    """
    clips = [
        CoefficientClip(
            name=video.stem,
            split=split,
            source=str(video),
            read=partial(_read_video, video, coefficients / split / f"{video.stem}.mat"),
        )
        for split in SPLITS
        if (root / split).is_dir()
        for video in sorted((root / split).iterdir())
        if video.suffix.lower() in VIDEO_SUFFIXES and not is_system_file(video)
    ]
    if not clips:
        raise ReenactError(f"{root} has no videos in train/ or test/; give the folder that the coefficients belong to")
    return clips


def _read_video(video: Path, path: Path) -> ClipRows:
    try:
        content = read_mat(path)
    except OSError as error:
        raise ReenactError(f"{path} can't be read ({error}); {video} has no coefficients") from error
    except ValueError as error:
        raise ReenactError(f"{path} is not a MATLAB file of version 5, or damaged; estimate it again") from error
    if missing := [key for key in ("coeff", "transform_params") if key not in content]:
        raise ReenactError(f"{path} lacks {', '.join(missing)}: it is no file of coefficients of a video")
    coefficients, transform = content["coeff"], np.asarray(content["transform_params"])
    if transform.ndim != 2 or transform.shape[1] != 5:
        raise ReenactError(f"{path}: transform_params has shape {transform.shape}, not (frames, 5); estimate it again")
    info = probe_video(video)
    sides = np.unique(transform[:, :2])
    if info.width != info.height or sides.tolist() != [info.width]:
        raise ReenactError(
            f"{path} belongs to pictures of {sides.tolist()} pixels and {video} has {info.width}x{info.height}: give"
            " the square videos in which the coefficients were estimated"
        )
    if info.num_frames != len(coefficients):
        raise ReenactError(
            f"{path} has {len(coefficients)} rows and {video} {info.num_frames} frames: give the video in which they"
            " were estimated"
        )

    def decode_frames() -> Iterator[Image]:
        yield from VideoReader(video, on_disk=True).frames(range(len(coefficients)))

    return ClipRows(
        coefficients=coefficients, places=transform[:, 2:], frames=decode_frames, side=info.width, fps=info.fps
    )
