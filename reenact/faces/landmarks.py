"""The iBUG-68 landmarks: which are mirror images of each other, and the measure that errors are divided by."""

from __future__ import annotations

from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Points = TypeVar("Points", NDArray[Any], Tensor)

MIRROR: Final = [
    *range(16, -1, -1),  # jaw
    *range(26, 16, -1),  # brows
    *range(27, 31),  # bridge of the nose
    *range(35, 30, -1),  # nostrils
    *(45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40),  # eyes
    *range(54, 47, -1),  # upper edge of the upper lip
    *range(59, 54, -1),  # lower edge of the lower lip
    *range(64, 59, -1),  # inner upper lip
    *range(67, 64, -1),  # inner lower lip
]
"""Landmark i of a mirrored face is the mirror image of landmark `MIRROR[i]`."""

OUTER_EYE_CORNERS: Final = (36, 45)


def mirror_landmarks(landmarks: Points, width: float) -> Points:
    """Landmarks (..., 68, 2) of the image mirrored about its vertical middle, in continuous pixels (x to width - x)."""
    mirrored = landmarks[..., MIRROR, :]
    mirrored[..., 0] = width - mirrored[..., 0]
    return mirrored


def inter_ocular_distance(landmarks: NDArray[Any]) -> NDArray[Any]:
    """Distance (...) between the outer eye corners of (..., 68, 2) landmarks, in their unit."""
    left_corner, right_corner = OUTER_EYE_CORNERS
    return np.asarray(np.linalg.norm(landmarks[..., left_corner, :2] - landmarks[..., right_corner, :2], axis=-1))
