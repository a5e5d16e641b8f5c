"""The frames of a clip to prepare: of a video or a part of it, of a picture, or of a folder of pictures."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from reenact.data.layouts.clip_input import ClipInput
from reenact.media.pictures import PICTURE_SUFFIXES, pictures_in, read_image
from reenact.media.video import Image, VideoReader

FRAME_FOLDER_RATE = Fraction(25)
"""Frames per second of a folder of pictures, which does not say; VoxCeleb's rate."""


@dataclass(frozen=True, kw_only=True)
class Frames:
    """The frames of a file, readable as often as wanted, one in memory at a time."""

    path: Path
    fps: Fraction
    """Frames per second; of a single picture, that of frame folders."""
    still: bool
    """True for a single picture."""
    count: int
    """Frames at `fps`."""
    read: Callable[[], Iterator[Image]]
    """Starts over at the first frame; raises `ReenactError` where the file is damaged."""


def open_frames(clip: ClipInput, fps: Fraction | None = None) -> Frames:
    """The frames of a clip's file.

    Args:
        clip: Which; of a video only its `span` is read.
        fps: Rate to read videos at, by their time stamps; each video's own by default. Pictures have no time.

    Raises:
        ReenactError: if the file can't be read.
    """
    path = clip.path
    if path.is_dir():
        pictures = pictures_in(path)
        return Frames(
            path=path, fps=FRAME_FOLDER_RATE, still=False, count=len(pictures), read=lambda: map(read_image, pictures)
        )
    if path.suffix.lower() in PICTURE_SUFFIXES:
        return Frames(path=path, fps=FRAME_FOLDER_RATE, still=True, count=1, read=lambda: iter([read_image(path)]))
    reader = VideoReader(path, fps)
    if clip.span is None:
        return Frames(path=path, fps=reader.fps, still=False, count=len(reader), read=lambda: iter(reader))
    # Frame k is the picture on display at (k + 1/2) / fps.
    first, end = (max(0, math.ceil(second * reader.fps - Fraction(1, 2))) for second in clip.span)
    return Frames(
        path=path,
        fps=reader.fps,
        still=False,
        count=max(0, min(end, len(reader)) - first),
        read=lambda: reader.part(first, end),
    )
