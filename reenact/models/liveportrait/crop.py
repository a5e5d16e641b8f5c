"""The crop of LivePortrait's official code (`src/utils/crop.py`)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from reenact.faces.crop import Crop

SCALE = 2.3
"""Side of the square over the longer side of the box around the landmarks."""
SHIFT = -0.125
"""Way of the square's centre along the face, from the eyes to the mouth, in its sides."""
SHORTEST = 1e-3
"""Distance of eyes and mouth below which the face counts as upright."""


def crop_along_face(landmarks: NDArray[np.float64], size: int) -> Crop:
    """Cut a square whose size and centre are measured along the face, the mean over all frames.

    The square is upright, as the official code's is of driving videos; that of a source is turned by `find_tilt`.

    Args:
        landmarks: (T, 68, 2) in frame pixels.
        size: side of the crop image in pixels.
    """
    squares = np.array([find_square(points, SCALE, SHIFT) for points in landmarks])
    x, y, side = squares.mean(0)
    return Crop(x - side / 2, y - side / 2, side, size)


def find_square(points: NDArray[np.float64], scale: float, shift: float) -> tuple[float, float, float]:
    """Centre and side of the square around a face (68, 2)."""
    down = _find_down(points)
    across = np.array((down[1], -down[0]))
    inside = np.stack((points @ across, points @ down), axis=-1)
    low, high = inside.min(0), inside.max(0)
    side = float((high - low).max()) * scale
    middle = (low + high) / 2
    centre = middle[0] * across + middle[1] * down + shift * side * down
    return float(centre[0]), float(centre[1]), side


def find_tilt(points: NDArray[np.float64]) -> float:
    """Radians from the picture's x axis to the line across a face (68, 2), towards the picture's y axis."""
    down = _find_down(points)
    return math.atan2(-down[0], down[1])


def _find_down(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Unit vector from the eyes of a face (68, 2) to its mouth."""
    eyes = (points[36] + points[39] + points[42] + points[45]) / 4
    mouth = (points[48] + points[54]) / 2
    down = mouth - eyes
    length = float(np.linalg.norm(down))
    return down / length if length > SHORTEST else np.array((0.0, 1.0))
