"""Deep3D's alignment of a picture: scale and place of a 3D template of five points (sicxu, `util/preprocess.py`).

Convention: landmarks are in continuous pixels, x right, y down. The template has x to the subject's left (image right),
y up, z out of the face, in its own unit, a little under that of BFM.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

TEMPLATE: Final = np.array(
    [
        (-0.31148657, 0.29036078, 0.13377953),
        (0.30979887, 0.28972036, 0.13179526),
        (0.00325350, -0.04617932, 0.55244243),
        (-0.25216928, -0.38133916, 0.22405732),
        (0.24846620, -0.38128236, 0.22235769),
    ]
)
"""Right eye, left eye, nose tip, mouth corners (`BFM/similarity_Lm3D_all.mat`, reduced to five points)."""


def five_points(landmarks: NDArray[Any]) -> NDArray[np.float64]:
    """(..., 5, 2) of (..., 68, 2) landmarks: means of the eyes' corners, nose tip, mouth corners."""
    points = np.asarray(landmarks, np.float64)
    eyes = [(points[..., a, :] + points[..., b, :]) / 2 for a, b in ((36, 39), (42, 45))]
    return np.stack([*eyes, points[..., 30, :], points[..., 48, :], points[..., 54, :]], -2)


def template_place(points: NDArray[Any]) -> tuple[float, float, float]:
    """Locate the template in a picture: scale in pixels per unit, and x and y of its origin in pixels.

    Least squares of an affine camera of eight parameters; the scale is the mean length of its two rows (`POS`).

    Args:
        points: (5, 2) as `five_points` gives them.
    """
    rows = np.concatenate([TEMPLATE, np.ones((5, 1))], 1)
    camera, *_ = np.linalg.lstsq(rows, np.asarray(points, np.float64) * (1, -1), rcond=None)
    scale = float(np.linalg.norm(camera[:3], axis=0).mean())
    return scale, float(camera[3, 0]), float(-camera[3, 1])
