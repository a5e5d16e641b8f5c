"""The surface of a radiance field by marching cubes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree
from torch import Tensor

from reenact.errors import ReenactError
from reenact.faces.shading import weigh_normals
from reenact.install import install_hint
from reenact.models.common.surface import Surface
from reenact.models.export3d.head_bounds import HeadBounds
from reenact.nn.ray_marching import Field, Rays, RaySampling, render_rays

LEVEL = 10.0
"""Density in one side of the cube at which the surface lies; EG3D's scripts take the same number."""
CELLS = 128
"""Cells of the grid along its longest side."""
POINTS = 1 << 16
"""Points that are decoded at once."""
SMOOTHING = (0.0625, 0.25, 0.375, 0.25, 0.0625)
"""Weights of a cell and its neighbours along an axis."""
FRONT = 0.3
"""Least z of the normals of what a picture of the front shows well."""
NEIGHBOURS = 8
"""Coloured vertices whose mean colours another one."""


def extract_surface(field: Field, bounds: HeadBounds, cells: int = CELLS) -> Surface:
    """Extract the surface of a head, its largest part, with the colours that the field shows from the front.

    What lies beyond the bounds is left out: a background is as dense as a head. Inside of them the head is solid, since
    no picture tells what lies behind its face. What the front does not show has the colours of the nearest parts that
    it shows.

    Args:
        field: density and colour of points, whose first three channels are RGB in [0, 1].
        bounds: the mesh of the head in the space of the field.
        cells: of the grid along the longest side of the box about the bounds; cells are cubes.

    Raises:
        ReenactError: if scikit-image is not installed, or nothing in the bounds is as dense as `LEVEL`.
    """
    march_cubes = _load_marching_cubes()  # before the field is evaluated, which takes its time
    low, high = bounds.span_box()
    step = (high - low).max() / cells
    counts = [int(count) for count in ((high - low) / step).ceil() + 1]
    axes = [low[axis] + step * torch.arange(count, device=low.device) for axis, count in enumerate(counts)]
    points = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).flatten(0, 2)
    density = _evaluate(lambda part: F.softplus(field(part)[0] - 1), points)[:, 0]
    room, _ = bounds.measure_room(points)
    if not (density[room > 0] > LEVEL).any():
        raise ReenactError(
            f"the head is nowhere as dense as {LEVEL:g}, so that it has no surface: train export3d for longer"
        )
    bounded = bounds.bound_density(density, points, LEVEL, float(step)).view(counts)
    # An open surface is closed at the walls of the box.
    closed = F.pad(smooth_grid(bounded.clamp(0, 2 * LEVEL)), (1,) * 6)
    # Triangles run counter-clockwise seen from lower values; places are in cells.
    places, faces, _, _ = march_cubes(closed.cpu().numpy(), LEVEL, gradient_direction="ascent")
    vertices = low + step * (torch.tensor(places.copy()).to(low) - 1)
    vertices, triangles = keep_largest(vertices, torch.tensor(faces.astype(np.int64)).to(low.device))
    colours = _colour_vertices(field, bounds, vertices, triangles, float(step))
    return Surface(vertices=vertices, faces=triangles, colours=colours)


def smooth_grid(values: Tensor) -> Tensor:
    """Values (X, Y, Z) whose neighbours along each axis are averaged, so that cells leave no steps."""
    x = values[None, None]
    for axis in range(3):
        shape = [1, 1, 1, 1, 1]
        shape[2 + axis] = len(SMOOTHING)
        padding = [0] * 6
        padding[2 * (2 - axis) : 2 * (2 - axis) + 2] = [len(SMOOTHING) // 2] * 2
        x = F.conv3d(F.pad(x, padding, mode="replicate"), x.new_tensor(SMOOTHING).view(shape))
    return x[0, 0]


def keep_largest(vertices: Tensor, faces: Tensor) -> tuple[Tensor, Tensor]:
    """Vertices (V, 3) and faces (F, 3) of the connected part with the most vertices."""
    ends = faces[:, [0, 1, 1, 2]].reshape(-1, 2).cpu().numpy()
    edges = coo_array((np.ones(len(ends), bool), tuple(ends.T)), shape=(len(vertices),) * 2)
    part = torch.from_numpy(connected_components(edges, directed=False)[1]).to(faces.device)
    largest = part == part.long().bincount().argmax()
    number = largest.cumsum(0) - 1
    return vertices[largest], number[faces[largest[faces[:, 0]]]]


def _colour_vertices(field: Field, bounds: HeadBounds, vertices: Tensor, faces: Tensor, step: float) -> Tensor:
    """Colours (V, 3) of a surface: rendered along the normals, or those of the nearest ones that the front shows."""
    normals = weigh_normals(vertices[None], faces)[0]
    room, depth = bounds.measure_room(vertices)
    clear = (normals[:, 2] > FRONT) & (room > step) & (depth < -step) & ~_find_hidden(vertices, step)
    colours = vertices.new_zeros(vertices.shape)
    if not clear.any():
        return colours
    colours[clear] = _render_colours(field, vertices[clear], normals[clear], step)
    tree = cKDTree(vertices[clear].double().cpu().numpy())
    count = min(NEIGHBOURS, int(clear.sum()))
    distance, numbers = tree.query(vertices[~clear].double().cpu().numpy(), k=range(1, count + 1))
    weights = torch.from_numpy(1 / (distance + step)).to(vertices)
    around = colours[clear][torch.from_numpy(numbers).to(faces)]
    colours[~clear] = (weights[..., None] * around).sum(1) / weights.sum(1, keepdim=True)
    return colours


def _find_hidden(vertices: Tensor, step: float) -> Tensor:
    """Find (V) which vertices lie more than three cells behind others, seen from z."""
    column = ((vertices[:, :2] - vertices[:, :2].amin(0)) / step).round().long()
    key = column[:, 0] * (column[:, 1].max() + 1) + column[:, 1]
    front = vertices.new_full((int(key.max()) + 1,), -torch.inf).scatter_reduce(0, key, vertices[:, 2], "amax")
    return vertices[:, 2] < front[key] - 3 * step


def _render_colours(field: Field, vertices: Tensor, normals: Tensor, step: float) -> Tensor:
    """RGB (V, 3) of the surface seen along its normals, from two cells outside to six inside."""

    def read(points: Tensor) -> tuple[Tensor, Tensor]:
        density, colour = field(points)
        return density, colour[..., :3]

    near = torch.zeros(1, len(vertices), device=vertices.device)
    rays = Rays((vertices + 2 * step * normals)[None], -normals[None], near, near + 8 * step)
    with torch.no_grad():
        rendering = render_rays(read, rays, RaySampling(coarse=16, fine=0))
    return ((rendering.colour + 1) / 2 / rendering.opacity[..., None].clamp_min(1e-3))[0].clamp(0, 1)


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
