"""Motions of the eyelids: loops that slide over the eyeball, with the arc that a straight path would cut off."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reenact.faces.head import parts, sculpt
from reenact.faces.head.base import FrontMap, surface_points
from reenact.faces.head.curves import lid_outline
from reenact.faces.head.mesh import Mesh

Array = NDArray[np.float64]

_UPPER_FADE = np.array([1.0, 0.97, 0.90, 0.76, 0.54, 0.30, 0.12, 0.03, 0.0])
_LOWER_FADE = np.array([1.0, 0.95, 0.84, 0.66, 0.45, 0.26, 0.12, 0.04, 0.0])


def _compute_depth(xy: Array) -> Array:
    parameters = FrontMap()(xy.reshape(-1, 2))
    base = surface_points(*parameters.T)[:, 2]
    return sculpt.face_depth(xy[..., 0].ravel(), xy[..., 1].ravel(), base).reshape(xy.shape[:-1])


def _move_lids(mesh: Mesh, upper: float, lower: float) -> Array:
    """(rings, points, 2) left loops: `upper`, `lower` move each lid by that share of the opening towards the other."""
    rim = lid_outline()
    opposite = rim[(-np.arange(len(rim))) % len(rim)]
    above = (rim[:, 1] >= opposite[:, 1])[:, None]
    gap = opposite - rim
    xy = mesh.vertices[mesh.eyes[0]][..., :2].copy()
    xy += np.where(above, upper * gap * _UPPER_FADE[:, None, None], lower * gap * _LOWER_FADE[:, None, None])
    return np.asarray(xy)


def lid_motion(mesh: Mesh, upper: float = 0.0, lower: float = 0.0) -> tuple[Array, Array]:
    """Displacement (V, 3) of the left eye's lids and, (V, 3), the bulge half-way along the straight path.

    `upper` = 1 brings the upper lid down to the lower lid's rim; negative values open it. Metres.
    """
    total, arc = np.zeros_like(mesh.vertices), np.zeros_like(mesh.vertices)
    loops = mesh.eyes[0]
    start, goal = mesh.vertices[loops], _move_lids(mesh, upper, lower)
    half = (start[..., :2] + goal) / 2
    rest = _compute_depth(start[..., :2])
    total[loops, :2] = goal - start[..., :2]
    total[loops, 2] = _compute_depth(goal) - rest
    arc[loops, 2] = _compute_depth(half) - rest - total[loops, 2] / 2
    rim = start[0] + total[loops[0]]
    total[mesh.rims[0]] = parts.lid_rims(rim) - mesh.vertices[mesh.rims[0]]
    middle = start[0] + total[loops[0]] / 2 + arc[loops[0]]
    arc[mesh.rims[0]] = parts.lid_rims(middle) - mesh.vertices[mesh.rims[0]] - total[mesh.rims[0]] / 2
    return total, arc


def mirror_field(field: Array, mesh: Mesh) -> Array:
    """Mirror a (V, 3) motion to the other side of the head."""
    return field[mesh.flip] * [-1.0, 1.0, 1.0]
