"""The surface of a radiance field by marching cubes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from reenact.errors import ReenactError
from reenact.install import install_hint
from reenact.models.common.surface import Surface
from reenact.nn.ray_marching import Field

LEVEL = 10.0
"""Density in one side of the cube at which the surface lies; EG3D's scripts take the same number."""
CELLS = 128
"""Cells of the grid along its longest side."""
POINTS = 1 << 16
"""Points that are decoded at once."""


def extract_surface(field: Field, low: Tensor, high: Tensor, cells: int = CELLS) -> Surface:
    """Extract the surface inside of a box, with the colour of the field on it.

    Args:
        field: density and colour of points, whose first three channels are RGB in [0, 1].
        low: (3,) least corner of the box.
        high: (3,) greatest corner.
        cells: of the grid along the longest side of the box; cells are cubes.

    Raises:
        ReenactError: if scikit-image is not installed, or nothing in the box is as dense as `LEVEL`.
    """
    march_cubes = _load_marching_cubes()  # before the field is evaluated, which takes its time
    step = (high - low).max() / cells
    counts = [int(count) for count in ((high - low) / step).ceil() + 1]
    axes = [low[axis] + step * torch.arange(count, device=low.device) for axis, count in enumerate(counts)]
    grid = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1)
    density = _evaluate(lambda points: F.softplus(field(points)[0] - 1), grid.flatten(0, 2)).view(counts)
    # An open surface is closed at the walls of the box.
    closed = F.pad(density, (1,) * 6)
    if not closed.min() < LEVEL < closed.max():
        raise ReenactError(
            f"the head is nowhere as dense as {LEVEL:g}, so that it has no surface: train export3d for longer"
        )
    # Triangles run counter-clockwise seen from lower values; places are in cells.
    places, faces, _, _ = march_cubes(closed.cpu().numpy(), LEVEL, gradient_direction="ascent")
    vertices = low + step * (torch.tensor(places.copy()).to(low) - 1)
    colours = _evaluate(lambda points: field(points)[1][..., :3], vertices).clamp(0, 1)
    triangles = torch.tensor(faces.astype(np.int64)).to(low.device)
    return Surface(vertices=vertices, faces=triangles, colours=colours)


def _evaluate(function: Callable[[Tensor], Tensor], points: Tensor) -> Tensor:
    """Values (N, K) of points (N, 3), some at a time."""
    return torch.cat([function(part[None])[0] for part in torch.split(points, POINTS)])


def _load_marching_cubes() -> Callable[..., tuple[NDArray[np.generic], ...]]:
    """Scikit-image's function; raises `ReenactError` where the package is absent."""
    try:
        from skimage.measure import marching_cubes
    except ImportError as error:
        raise ReenactError(f"the surface of export3d needs scikit-image: {install_hint('surface')}") from error
    march_cubes: Callable[..., tuple[NDArray[np.generic], ...]] = marching_cubes
    return march_cubes
