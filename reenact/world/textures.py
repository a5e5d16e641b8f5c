"""Tileable noise that every texture draws from; the same in all worlds."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from reenact.world.rng import spline_weights

SIDE = 256
"""Side of a noise tile in texels."""
Tile = NDArray[np.float32]


def _draw_noise(rng: np.random.Generator, rows: int, columns: int) -> NDArray[np.float64]:
    """(SIDE, SIDE) periodic B-spline noise with `rows` x `columns` lattice points, in about [-1, 1]."""
    values = rng.uniform(-1, 1, (rows, columns))
    for axis, cells in ((0, rows), (1, columns)):
        position = np.arange(SIDE) * cells / SIDE
        base = np.floor(position).astype(int)
        weights = spline_weights(position - base)
        shape = [1, 1]
        shape[axis] = SIDE
        near = [np.take(values, (base + k - 1) % cells, axis=axis) * weights[k].reshape(shape) for k in range(4)]
        values = near[0] + near[1] + near[2] + near[3]
    return 1.6 * values


def _sum_octaves(rng: np.random.Generator, first: int, count: int) -> NDArray[np.float64]:
    return np.asarray(sum(_draw_noise(rng, first << k, first << k) * 0.55**k for k in range(count)) * 0.6)


def _equalise_values(values: NDArray[np.float64]) -> Tile:
    """Replace values by their rank, so that a threshold t leaves a share t of the tile."""
    rank = np.empty(values.size)
    rank[np.argsort(values.ravel(), kind="stable")] = np.arange(values.size) / values.size
    return rank.reshape(values.shape).astype(np.float32)


@lru_cache(maxsize=1)
def draw_tiles() -> dict[str, Tile]:
    """The noise tiles (SIDE, SIDE) by name.

    `blotch` and `fine` in about [-1, 1]; `grain` of single texels in [-1, 1]; `strands` in [0, 1], long along v
    (rows) and thin along u (columns), evenly distributed; `spots` in [0, 1], the height of scattered bumps.
    """
    rng = np.random.Generator(np.random.Philox(20240229))
    strands = sum(_draw_noise(rng, rows, columns) * weight for rows, columns, weight in
                  ((2, 16, 0.5), (4, 48, 0.8), (4, 128, 1.0), (8, 128, 0.6)))  # fmt: skip
    spots = np.zeros((SIDE, SIDE))
    axis = np.arange(SIDE)
    for _ in range(420):
        x, y, size = rng.uniform(0, SIDE), rng.uniform(0, SIDE), rng.uniform(0.7, 1.7)
        dx, dy = (axis - x + SIDE / 2) % SIDE - SIDE / 2, (axis - y + SIDE / 2) % SIDE - SIDE / 2
        near_x, near_y = np.abs(dx) < 8, np.abs(dy) < 8
        bump = rng.uniform(0.3, 1) * np.exp(-(dy[near_y, None] ** 2 + dx[None, near_x] ** 2) / (2 * size**2))
        spots[np.ix_(near_y, near_x)] = np.maximum(spots[np.ix_(near_y, near_x)], bump)
    other_tiles = {
        "blotch": _sum_octaves(rng, 6, 4),
        "fine": _sum_octaves(rng, 32, 3),
        "grain": rng.uniform(-1, 1, (SIDE, SIDE)),
        "spots": spots,
    }
    return {
        "strands": _equalise_values(np.asarray(strands)),
        **{name: tile.astype(np.float32) for name, tile in other_tiles.items()},
    }


def tile_at(name: str, u: NDArray[np.float32], v: NDArray[np.float32]) -> NDArray[np.float32]:
    """Nearest-texel look-up of a tile; u (column) and v (row) in texels, any range."""
    mask = SIDE - 1
    return np.asarray(draw_tiles()[name][v.astype(np.int32) & mask, u.astype(np.int32) & mask])
