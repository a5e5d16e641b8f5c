"""The crop of GDPW's `fit_image.py`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reenact.faces.crop import Crop


def crop_perimeter(landmarks: NDArray[np.float64], size: int) -> Crop:
    """Cut a square by the perimeter of the landmark box, over all frames.

    Half the perimeter times 1.1 is the face size; the square's side is 1.35 of that, rounded down, and its centre lies
    a tenth of the side above the box's centre.

    Args:
        landmarks: (T, 68, 2) in frame pixels.
        size: side of the crop image in pixels.
    """
    points = landmarks.reshape(-1, 2)
    (x_min, y_min), (x_max, y_max) = points.min(0), points.max(0)
    side = float(int(1.35 * 1.1 * ((x_max - x_min) + (y_max - y_min)) / 2))
    return Crop((x_min + x_max) / 2 - side / 2, (y_min + y_max) / 2 - 0.6 * side, side, size)
