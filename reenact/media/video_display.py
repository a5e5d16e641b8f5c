"""A decoded picture as a player shows it: upright, of square pixels, in the colours of BT.709."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

import numpy as np
from av.buffer import Buffer
from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame
from av.video.reformatter import ColorTrc, Interpolation
from numpy.typing import NDArray

from reenact.errors import ReenactError
from reenact.media.high_dynamic_range import Transfer, to_bt709
from reenact.media.media_files import MAX_PIXELS

Image = NDArray[np.uint8]
"""Type of a picture: (H, W, 3) RGB, uint8."""

# Without exact rounding and full chroma, decoded colours are one to two levels too dark.
_SCALER = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
HIGH_DYNAMIC_RANGE: dict[int, Transfer] = {int(ColorTrc.ARIB_STD_B67): "HLG", int(ColorTrc.SMPTE2084): "PQ"}
_TURNS = {
    (False, False, False): (0, False),
    (True, False, True): (90, False),
    (False, True, True): (180, False),
    (True, True, False): (270, False),
    (False, True, False): (0, True),
    (True, False, False): (90, True),
    (False, False, True): (180, True),
    (True, True, True): (270, True),
}
"""Axes swapped, columns reversed, rows reversed -> degrees counter-clockwise, after mirroring left to right or not."""


@dataclass(frozen=True)
class Display:
    """The shape in which a video's pictures are shown."""

    width: int
    """Pixels, upright and square."""
    height: int
    """Pixels, upright and square."""
    rotation: int
    """Degrees by which stored pictures are turned: 0, 90, 180 or 270, counter-clockwise."""
    mirrored: bool
    """True where stored pictures are mirrored left to right before they are turned."""


def read_display(path: Path, frame: VideoFrame, pixel_shape: Fraction | None) -> Display:
    """Read the shape of a video's first picture.

    Args:
        path: Names the file in errors.
        frame: The first picture, with its display matrix.
        pixel_shape: Width of a pixel by its height; None or 0 for square ones. The width is resampled by it.

    Raises:
        ReenactError: if the picture on display has no pixel, or more than `MAX_PIXELS`.
    """
    width, height = max(1, round(frame.width * (pixel_shape or 1))), frame.height
    if width * height > MAX_PIXELS:
        raise ReenactError(
            f"is shown as {width} x {height}, and at most {MAX_PIXELS // 10**6} megapixels are read",
            subject=path,
            remedy="scale it down",
        )
    rotation, mirrored = _TURNS[_read_axes(frame)]
    if rotation % 180:
        width, height = height, width
    return Display(width, height, rotation, mirrored)


def to_image(frame: VideoFrame, display: Display) -> Image:
    """Convert a decoded picture to RGB (H, W, 3) of the display's size; HLG and PQ become BT.709."""
    turned = display.rotation % 180 != 0
    transfer = HIGH_DYNAMIC_RANGE.get(frame.color_trc)
    decoded = frame.to_ndarray(
        format="rgb48le" if transfer else "rgb24",
        width=display.height if turned else display.width,
        height=display.width if turned else display.height,
        interpolation=_SCALER,
        src_color_range=frame.color_range,
    )
    image = (
        to_bt709(decoded.astype(np.uint16, copy=False), transfer) if transfer else decoded.astype(np.uint8, copy=False)
    )
    if not display.mirrored and not display.rotation:
        return image
    mirrored = image[:, ::-1] if display.mirrored else image
    return np.ascontiguousarray(np.rot90(mirrored, display.rotation // 90))


def _read_axes(frame: VideoFrame) -> tuple[bool, bool, bool]:
    """Read a display matrix as swapped axes, reversed columns and reversed rows of the picture on display."""
    data = frame.side_data.get(Type.DISPLAYMATRIX.name)
    if data is None:
        return False, False, False
    # x' = a x + c y and y' = b x + d y, in fixed point.
    a, b, _, c, d, *_ = np.frombuffer(bytes(cast("Buffer", data)), np.int32)
    if abs(a) >= abs(b):
        return False, bool(a < 0), bool(d < 0)
    return True, bool(c < 0), bool(b < 0)
