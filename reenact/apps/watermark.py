"""Looking for the watermark in files."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from reenact.apps.media import is_picture
from reenact.data.pictures import read_image
from reenact.data.video import VideoReader
from reenact.watermark import Reading, read_frames


def detect(path: Path, frames: int = 32) -> Reading:
    """Look for the mark in a picture or video file.

    Args:
        path: The file.
        frames: How many frames of a video vote, from its start.

    Raises:
        ReenactError: if the file cannot be read.
    """
    if is_picture(path):
        return read_frames([read_image(path)])
    return read_frames(list(islice(VideoReader(path), frames)))
