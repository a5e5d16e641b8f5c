"""Antialiasing of silhouettes by the rule of nvdiffrast (Laine et al. 2020, section 3.4), in plain torch.

For two pixels side by side, or one above the other, that show different faces, the nearer face is the foreground. Where
one of its silhouette edges (an open edge, or one whose neighbour folds behind) crosses the line between the two pixel
centres, at a distance c in [0, 1] pixels from the foreground's centre, the two colours are blended as if the edge cut
a pixel in two: with c > 1/2 the other pixel takes (c - 1/2) of the foreground, with c < 1/2 the foreground pixel takes
(1/2 - c) of the other.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from reenact.faces.raster.fragments import Fragments
from reenact.faces.raster.torch_reference import pixel_points

TOLERANCE = 1 / 16
"""Largest distance of a crossing beyond either pixel centre, in pixels (nvdiffrast's constant)."""


class Pairs(NamedTuple):
    """Blends between neighbours; pixels are numbered through the batch, (frame * H + row) * W + column."""

    first: Tensor
    """(N,) int64 left or upper pixel."""
    second: Tensor
    """(N,) int64 right or lower pixel."""
    alpha: Tensor
    """(N,): if positive, the share the first pixel takes of the second's colour; else -alpha is the second's share."""


def silhouette_edges(points: Tensor, faces: Tensor, opposite: Tensor) -> Tensor:
    """(B, F, 3) bool: whether the edge that faces corner k is on the silhouette of points (B, V, 3)."""
    x, y = points[..., 0], points[..., 1]
    edges = []
    face_area = _twice_area(x, y, faces[:, 0], faces[:, 1], faces[:, 2])
    for k, (start, end) in enumerate(((1, 2), (2, 0), (0, 1))):
        wing_vertex = torch.where(opposite[:, k] < 0, faces[:, k], opposite[:, k])
        wing_area = _twice_area(x, y, wing_vertex, faces[:, start], faces[:, end])
        edges.append((wing_area < 0) == (face_area < 0))
    return torch.stack(edges, dim=-1)


def _twice_area(x: Tensor, y: Tensor, a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    return (x[:, b] - x[:, a]) * (y[:, c] - y[:, a]) - (x[:, c] - x[:, a]) * (y[:, b] - y[:, a])


def find_pairs(fragments: Fragments, vertices: Tensor, faces: Tensor, opposite: Tensor) -> Pairs:
    """Find all blends of a batch.

    Args:
        fragments: of H x W pixels.
        vertices: (B, V, 3) in normalised device coordinates; `Pairs.alpha` is differentiable in them.
        faces: (F, 3) int64.
        opposite: (F, 3) int64, `Topology.opposite`.
    """
    face_index, depth = fragments.face_index, fragments.depth.detach()
    points = pixel_points(vertices, *face_index.shape[1:])
    edges = silhouette_edges(points.detach(), faces, opposite)
    across = _pairs_along(0, face_index, depth, points, faces, edges)
    down = _pairs_along(1, face_index, depth, points, faces, edges)
    return Pairs(*(torch.cat(parts) for parts in zip(across, down, strict=True)))


def _pairs_along(axis: int, face_index: Tensor, depth: Tensor, points: Tensor, faces: Tensor, edges: Tensor) -> Pairs:
    """Blends of horizontal (axis 0) or vertical (axis 1) neighbours."""
    dimension = 2 - axis
    length = face_index.shape[dimension] - 1
    first_face, second_face = face_index.narrow(dimension, 0, length), face_index.narrow(dimension, 1, length)
    frame, row, column = torch.nonzero(first_face != second_face, as_tuple=True)
    first_pixel = (frame, row, column)
    second_pixel = (frame, row + axis, column + 1 - axis)
    nearer = depth[first_pixel] < depth[second_pixel]
    second_wins = (face_index[first_pixel] < 0) | ((face_index[second_pixel] >= 0) & ~nearer)
    face = torch.where(second_wins, face_index[second_pixel], face_index[first_pixel])
    some = edges[frame, face].any(dim=-1)
    frame, row, column, face, second_wins = (t[some] for t in (frame, row, column, face, second_wins))
    centre = torch.stack([column + 0.5, row + 0.5], dim=-1).to(points.dtype)
    step = second_wins.to(points.dtype)
    centre[:, axis] += step
    corners = points[frame[:, None], faces[face]][..., :2] - centre[:, None]
    crossing, is_crossing = _find_crossing(corners[..., axis], corners[..., 1 - axis], 1 - 2 * step, edges[frame, face])
    alpha = (1 - 2 * step) * (0.5 - crossing.clamp(0, 1))
    height, width = face_index.shape[1:]
    first = (frame * height + row) * width + column
    second = first + (width if axis else 1)
    return Pairs(first[is_crossing], second[is_crossing], alpha[is_crossing])


def _find_crossing(along: Tensor, aside: Tensor, direction: Tensor, edges: Tensor) -> tuple[Tensor, Tensor]:
    """Find the point at which the triangle's outline crosses the line to the other pixel, the farthest that way.

    Args:
        along: (N, 3) corner coordinates along the line, from the foreground pixel's centre, in pixels.
        aside: (N, 3) corner coordinates across the line.
        direction: (N,) 1 if the other pixel lies at +1, -1 if at -1.
        edges: (N, 3) bool silhouette edges.

    Returns:
        Distance (N,) from the foreground centre, and whether (N,) bool it is a crossing to blend at.
    """
    start, end = [1, 2, 0], [2, 0, 1]
    run = along[:, end] - along[:, start]
    rise = aside[:, end] - aside[:, start]
    straddles = (aside[:, start] < 0) != (aside[:, end] < 0)
    area = along[:, start] * rise - aside[:, start] * run
    safe = torch.where(straddles, rise, 1.0)
    distance = torch.where(straddles, direction[:, None] * area / safe, -torch.inf)
    farthest, edge = distance.max(dim=-1)
    pick = edge[:, None]
    steep = rise.abs() >= run.abs()
    is_crossing = (steep & edges).gather(1, pick).squeeze(1)
    is_crossing &= (farthest > -TOLERANCE) & (farthest < 1 + TOLERANCE)
    return farthest, is_crossing


def blend_pairs(image: Tensor, pairs: Pairs) -> Tensor:
    """Apply the blends to an image (B, C, H, W); each reads the colours from before all blends."""
    batch, channels, height, width = image.shape
    flat = image.permute(0, 2, 3, 1).reshape(-1, channels)
    change = pairs.alpha.to(image.dtype)[:, None] * (flat[pairs.second] - flat[pairs.first])
    target = torch.where(pairs.alpha > 0, pairs.first, pairs.second)
    flat = flat.index_add(0, target, change)
    return flat.view(batch, height, width, channels).permute(0, 3, 1, 2).contiguous()
