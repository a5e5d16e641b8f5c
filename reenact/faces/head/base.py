"""The featureless head: a smooth mannequin lofted through horizontal sections, before any face is sculpted on it.

Convention: metres; x to the subject's left, y up, z out of the face; the origin lies midway between the ears, 30 mm
below the eyes. `t` runs from the crown (0) to the base of the neck (1), `theta` from the front (0) over the
subject's left (pi/2) to the back (pi).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.spatial import cKDTree

Array = NDArray[np.float64]

# Heights of a section at the front, side and back; depth of its front and back; half width; depth of the widest
# place; front exponent of its superellipse. Millimetres, after common anthropometric means of adults.
_SECTIONS = np.array(
    [
        # front, side, back, z front, z back, half width, z widest, exponent
        [150.0, 150.0, 150.0, -12.0, -12.0, 0.0, -12.0, 2.0],
        [148.3, 148.3, 148.3, 20.0, -43.0, 28.0, -13.0, 2.0],
        [142.5, 142.5, 142.5, 45.5, -64.0, 47.0, -15.0, 2.05],
        [132.0, 132.0, 132.0, 66.0, -80.0, 60.5, -17.0, 2.1],
        [117.0, 117.0, 117.0, 82.5, -91.0, 69.5, -18.0, 2.2],
        [100.0, 100.0, 100.0, 91.5, -97.0, 74.5, -18.0, 2.25],
        [80.0, 80.0, 80.0, 96.5, -99.5, 76.8, -16.0, 2.3],
        [62.0, 62.0, 61.0, 98.0, -98.5, 76.8, -13.0, 2.3],
        [46.0, 46.0, 44.0, 96.5, -95.5, 75.6, -10.0, 2.25],
        [30.0, 30.0, 27.0, 94.0, -90.0, 74.0, -6.0, 2.2],
        [10.0, 10.0, 6.0, 96.0, -82.0, 71.5, -2.0, 2.15],
        [-8.0, -8.0, -12.0, 98.5, -74.0, 68.5, 0.0, 2.1],
        [-24.0, -23.0, -26.0, 99.5, -68.0, 65.0, 0.0, 2.05],
        [-42.0, -38.0, -38.0, 98.0, -64.0, 60.5, 0.0, 1.97],
        [-60.0, -52.0, -50.0, 94.5, -61.5, 56.5, 0.0, 1.92],
        [-76.0, -63.0, -60.0, 93.0, -60.5, 53.6, 0.0, 1.85],
        [-87.5, -72.5, -69.0, 86.5, -60.5, 51.4, -1.0, 1.87],
        [-92.5, -82.0, -78.0, 73.0, -61.0, 48.6, -3.0, 1.9],
        [-98.0, -95.0, -90.0, 52.0, -62.5, 47.6, -6.0, 1.95],
        [-113.0, -112.0, -104.0, 38.0, -65.0, 49.0, -9.0, 2.0],
        [-138.0, -134.0, -122.0, 33.5, -70.0, 52.5, -12.0, 2.0],
        [-172.0, -160.0, -146.0, 31.0, -78.0, 66.0, -15.0, 2.05],
    ]
)
_LEVELS = np.linspace(0.0, 1.0, len(_SECTIONS))
_CURVES = CubicSpline(_LEVELS, _SECTIONS * np.r_[np.full(7, 1e-3), 1.0], bc_type="natural")


def surface_points(t: Array, theta: Array) -> Array:
    """Points (..., 3) of the mannequin at level `t` in [0, 1] and angle `theta` in [0, pi]."""
    front, side, back, z_front, z_back, width, z_wide, power = np.moveaxis(_CURVES(t), -1, 0)
    a, b, c = (front + 2 * side + back) / 4, (front - back) / 2, (front - 2 * side + back) / 4
    y = a + b * np.cos(theta) + c * np.cos(2 * theta)
    sine, cosine = np.sin(theta), np.cos(theta)
    power = np.where(cosine > 0, 2 + (power - 2) * cosine**2, 2.0)
    radius = (np.abs(sine) ** power + np.abs(cosine) ** power) ** (-1 / power)
    depth = np.where(cosine > 0, z_front - z_wide, z_wide - z_back)
    return np.stack([width * radius * sine, y, z_wide + depth * radius * cosine], -1)


class FrontMap:
    """Finds the mannequin's `(t, theta)` under a frontal position `(x, y)`, x >= 0, by Gauss-Newton."""

    def __init__(self) -> None:
        t, theta = np.meshgrid(np.linspace(0.15, 0.85, 400), np.linspace(0, np.pi / 2, 200), indexing="ij")
        self._seeds = np.stack([t.ravel(), theta.ravel()], -1)
        self._tree = cKDTree(surface_points(t, theta).reshape(-1, 3)[:, :2])

    def __call__(self, xy: Array) -> Array:
        """Map (N, 2) frontal positions in metres to (N, 2) `(t, theta)`."""
        seed = self._seeds[self._tree.query(xy)[1]]
        for _ in range(8):
            position = surface_points(seed[:, 0], seed[:, 1])[:, :2]
            step = 1e-5
            by_t = (surface_points(seed[:, 0] + step, seed[:, 1])[:, :2] - position) / step
            by_theta = (surface_points(seed[:, 0], seed[:, 1] + step)[:, :2] - position) / step
            jacobian = np.stack([by_t, by_theta], -1) + 1e-9 * np.eye(2)
            seed = seed - np.linalg.solve(jacobian, (position - xy)[..., None])[..., 0]
            seed[:, 1] = np.maximum(seed[:, 1], 0.0)
        return seed
