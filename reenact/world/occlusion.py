"""Points as a distant viewer sees them, and the ambient occlusion that many such views give."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reenact.world.kernels import F32, I32, add_occlusion, rasterize, vertex_normals
from reenact.world.textures import draw_tiles

Array = NDArray[np.float64]
CULL = np.array([1, 1, 0, 0, 0, 0, 0, 0], np.uint8)
"""Materials whose back faces are never seen."""


def bake_occlusion(points: F32, faces: I32, material: NDArray[np.uint8], attributes: F32, side: int = 96) -> F32:
    """(V,) ambient occlusion, 0 dark to 1 open, from z-buffers seen from 14 directions around."""
    normals = np.empty_like(points)
    vertex_normals(points, faces, normals)
    hit, weight = np.zeros(len(points), np.float32), np.full(len(points), 1e-6, np.float32)
    index, depth = np.empty((side, side), np.int32), np.empty((side, side), np.float32)
    bary = np.empty((side, side, 2), np.float32)
    count = 14
    for n in range(count):
        z = 1 - (2 * n + 1) / count * 0.93
        azimuth = n * 2.399963
        flat = np.sqrt(1 - z * z)
        towards = np.array([flat * np.cos(azimuth), 0.25 + flat * np.sin(azimuth), z])
        towards /= np.linalg.norm(towards)
        screen = seen_from(towards, points, np.array([0.0, -0.02, 0.0]), 0.25, side)
        rasterize(screen, faces, material, CULL, attributes, draw_tiles()["strands"], side, index, bary, depth)
        add_occlusion(screen, normals, towards.astype(np.float32), depth, 1.6, hit, weight)
    return hit / weight


def compute_view(towards: Array) -> Array:
    """(3, 3) rotation from space to a screen (x right, y down, z away) seen from a unit direction."""
    right = np.cross([0.0, 1.0, 0.0], towards)
    right /= np.linalg.norm(right)
    return np.stack([right, -np.cross(towards, right), -towards])


def seen_from(towards: Array, points: F32, centre: Array, reach: float, side: int) -> F32:
    """(V, 3) points on a square screen that looks at them from a direction; depth in the same unit.

    Spelled out, because a library's matrix product may add up in another order on another machine.

    Args:
        towards: (3,) unit vector to the viewer.
        points: (V, 3).
        centre: (3,) what the screen's middle shows.
        reach: half the side of what it shows.
        side: its side in samples.
    """
    axes, unit = compute_view(towards), side / (2 * reach)
    screen = np.empty_like(points)
    for axis in range(3):
        row = (axes[axis] * unit).astype(np.float32)
        shift = np.float32((side / 2 if axis < 2 else 0.0) - unit * (axes[axis] * centre).sum())
        screen[:, axis] = row[0] * points[:, 0] + row[1] * points[:, 1] + row[2] * points[:, 2] + shift
    return screen
