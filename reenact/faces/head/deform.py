"""Smooth displacement fields from which the bases are put together. Tables are in millimetres, results in metres."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Triple = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class Push:
    """Moves what lies around `centre` by `move`, fading as a Gaussian of standard deviations `size` (all mm).

    `side`: 0 applies it on both sides, mirrored (once where the centre is on the midline); 1 left, -1 right alone.
    `jaw`: by how much the centre follows the lower jaw (0 to 1) where the field is evaluated with an open mouth.
    """

    centre: Triple
    size: Triple
    move: Triple
    side: int = 0
    jaw: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """Scales along `axis` about `pivot` (mm) by `gain`, within a window of heights `low..high` with soft edges (mm)."""

    axis: int
    gain: float
    pivot: float = 0.0
    low: float = -1e4
    high: float = 1e4
    soft: float = 20.0
    back: bool = False
    """Only behind the pivot plane (z below the pivot)."""


Field = tuple[Push | Stretch, ...]


def _fall_off(value: Array, start: float, width: float) -> Array:
    part = np.clip((value - start) / width + 0.5, 0, 1)
    return part * part * (3 - 2 * part)


def _push_points(points: Array, push: Push, open_jaw: Array) -> Array:
    """(N, 3) displacement in mm at points in mm; `open_jaw` (4, 4) moves centres of the lower jaw."""
    total = np.zeros_like(points)
    mirrored = push.side == 0 and push.centre[0] != 0
    for sign in (1, -1) if mirrored else (push.side or 1,):
        mirror = np.array([sign, 1.0, 1.0])
        centre = np.array(push.centre) * mirror
        centre = (1 - push.jaw) * centre + push.jaw * (open_jaw[:3, :3] @ centre + open_jaw[:3, 3])
        distance = (((points - centre) / np.array(push.size)) ** 2).sum(1)
        total += np.exp(-0.5 * distance)[:, None] * np.array(push.move) * mirror
    return total


def _stretch_points(points: Array, stretch: Stretch) -> Array:
    y = points[:, 1]
    window = _fall_off(y, stretch.low, stretch.soft) * (1 - _fall_off(y, stretch.high, stretch.soft))
    offset = points[:, stretch.axis] - stretch.pivot
    if stretch.back:
        offset = -np.log1p(np.exp(-offset / 15.0)) * 15.0
    total = np.zeros_like(points)
    total[:, stretch.axis] = stretch.gain * offset * window
    return total


def compute_displacement(points: Array, field: Field, open_jaw: Array | None = None) -> Array:
    """Displacement (N, 3) in metres of a field at (N, 3) points in metres.

    `open_jaw` (4, 4) is the motion, in millimetres, of the lower jaw in the pose the points are in; default closed.
    """
    motion = np.eye(4) if open_jaw is None else open_jaw
    scaled = points * 1e3
    total = np.zeros_like(points)
    for part in field:
        total += _push_points(scaled, part, motion) if isinstance(part, Push) else _stretch_points(scaled, part)
    return total * 1e-3
