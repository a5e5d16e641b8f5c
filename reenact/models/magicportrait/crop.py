"""The crop of MagicPortrait's `crop_process.py`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reenact.faces.crop import Crop, find_face_box


def crop_first_frame(landmarks: NDArray[np.float64], size: int) -> Crop:
    """Cut a square of 1.5 * 512 / 352 = 2.18 times the width of the first frame's face box, around its centre.

    The box is a detector's there, and that of the landmarks here, see `find_face_box`.

    Args:
        landmarks: (T, 68, 2) in frame pixels.
        size: side of the crop image in pixels.
    """
    x_min, y_min, x_max, y_max = find_face_box(landmarks[:1])
    side = 1.5 * 512 / 352 * (x_max - x_min)
    return Crop((x_min + x_max - side) / 2, (y_min + y_max - side) / 2, side, size)
