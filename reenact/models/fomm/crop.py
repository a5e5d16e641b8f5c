"""The crop of FOMM's video-preprocessing, `crop_vox.py`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reenact.faces.crop import Crop, find_face_box


def crop_boxes(landmarks: NDArray[np.float64], size: int) -> Crop:
    """Cut a centred square of 1.2 times the longer side of the union of the clip's face boxes.

    The boxes come from the S3FD detector there, and from landmarks here, see `find_face_box`.

    Args:
        landmarks: (T, 68, 2) in frame pixels.
        size: side of the crop image in pixels.
    """
    x_min, y_min, x_max, y_max = find_face_box(landmarks)
    side = 1.2 * max(x_max - x_min, y_max - y_min)
    return Crop((x_min + x_max - side) / 2, (y_min + y_max - side) / 2, side, size)
