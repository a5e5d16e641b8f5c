"""Looking for the watermark in files."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from av.video.reformatter import Interpolation
from numpy.typing import NDArray

from reenact.media.media_kinds import is_picture
from reenact.media.pictures import read_image
from reenact.media.video_decode import open_video
from reenact.watermark import Reading, read_frames

STORED_COLOURS = Interpolation.POINT | Interpolation.ACCURATE_RND
"""Each stored sample of colour for the 2 x 2 pixels that it stands for. Players go smoothly from sample to sample and
mix neighbouring blocks of the mark."""


def detect_watermark(path: Path, frames: int = 64) -> Reading:
    """Look for the mark in a picture or video file.

    Args:
        path: The file.
        frames: How many frames of a video vote, from its start.

    Raises:
        ReenactError: if the file cannot be read.
    """
    if is_picture(path):
        return read_frames([read_image(path)])
    return read_frames(islice(_decode_frames(path), frames))


def _decode_frames(path: Path) -> Iterator[NDArray[np.uint8]]:
    """Decode the pictures of a video as they are stored: neither turned nor stretched."""
    with open_video(path) as (container, stream):
        for frame in container.decode(stream):
            decoded = frame.to_ndarray(format="rgb24", interpolation=STORED_COLOURS, src_color_range=frame.color_range)
            yield decoded.astype(np.uint8, copy=False)
