"""True flow and visibility between two posed meshes, by rays in float64: nothing of the rasteriser is in it.

A ray through the centre of each pixel meets the driving mesh at a point of a triangle. The same point of the source
mesh has an exact place in the source picture, and is visible if its triangle faces the camera and no other triangle
lies on the ray from it to the camera. Meshes are in model space, so that perspective is exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[Any]
TILE = 16
"""Side in pixels of the squares whose rays are tested together against the triangles that reach into them."""
START = 1e-4
"""Distance in metres from a surface at which the ray to the camera starts."""


@dataclass(frozen=True, kw_only=True)
class TrueGuidance:
    """Truth at the pixels of the driving picture."""

    mask: Array
    """(H, W) bool: the nearest triangle is seen from the front."""
    flow: Array
    """(H, W, 2) place in the source picture minus the pixel's own, in units of `grid_sample`; 0 off the mask."""
    visible: Array
    """(H, W) bool: the source picture shows the point; False off the mask."""


def find_centres(size: int) -> np.ndarray:
    """(S, S, 2) centres of pixels in [-1, 1]."""
    line = (2 * np.arange(size) + 1) / size - 1
    return np.stack(np.meshgrid(line, line), -1)


def subdivide(vertices: Tensor, faces: Tensor) -> tuple[Tensor, Tensor]:
    """The same surface with four triangles for each: vertices (B, V, 3) with the middles of the edges, faces (F, 3)."""
    edges = torch.cat([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).sort(1).values
    edges, place = torch.unique(edges, dim=0, return_inverse=True)
    ab, bc, ca = (place + vertices.shape[1]).chunk(3)
    a, b, c = faces.unbind(1)
    parts = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
    middles = vertices[:, edges].mean(2)
    return torch.cat([vertices, middles], 1), torch.cat([torch.stack(part, 1) for part in parts])


def trace_guidance(
    source: Array, source_camera: Array, driving: Array, driving_camera: Array, faces: Array, pixels: Array
) -> TrueGuidance:
    """Trace the rays of some pixels.

    Args:
        source: (V, 3) vertices in model space.
        source_camera: (3,) or (7,) camera, see `reenact.faces.camera`.
        driving: (V, 3).
        driving_camera: (3,) or (7,).
        faces: (F, 3), counter-clockwise seen from outside.
        pixels: (H, W, 2) centres of the pixels in [-1, 1].
    """
    shape, centres = pixels.shape[:2], pixels.reshape(-1, 2).astype(np.float64)
    source, driving = source.astype(np.float64), driving.astype(np.float64)
    index, weights, front = _find_first_hits(
        *_cast_rays(centres, driving_camera), centres, driving, driving_camera, faces
    )
    mask = (index >= 0) & front
    point = (source[faces[index[mask]]] * weights[mask][..., None]).sum(1)
    place = _project_points(point, source_camera)
    flow, visible = np.zeros_like(centres), np.zeros(len(centres), np.bool_)
    flow[mask] = place - centres[mask]
    visible[mask] = _find_visible(point, index[mask], place, source, source_camera, faces)
    return TrueGuidance(mask=mask.reshape(shape), flow=flow.reshape(*shape, 2), visible=visible.reshape(shape))


def _find_visible(point: Array, triangle: Array, place: Array, mesh: Array, camera: Array, faces: Array) -> Array:
    """(N,) whether points (N, 3) of triangles (N,) of a mesh are seen in its picture, at places (N, 2)."""
    _, outwards = _cast_rays(place, camera)
    a, b, c = (mesh[faces[triangle, corner]] for corner in range(3))
    towards = -outwards
    facing = (np.cross(b - a, c - a) * towards).sum(-1) > 0
    hidden, _, _ = _find_first_hits(point + START * towards, towards, place, mesh, camera, faces)
    visible: Array = facing & (hidden < 0) & (np.abs(place) < 1).all(-1)
    return visible


def _project_points(points: Array, camera: Array) -> Array:
    """(..., 2) places in the picture of points (..., 3)."""
    if len(camera) == 3:
        places: Array = camera[0] * (points[..., :2] + camera[1:]) * (1, -1)
    else:
        seen = points + camera[4:]
        places = camera[:2] * seen[..., :2] / -seen[..., 2:] * (1, -1) + camera[2:4]
    return places


def _cast_rays(places: Array, camera: Array) -> tuple[Array, Array]:
    """Origins and directions (N, 3) of the rays that the camera sees at places (N, 2)."""
    if len(camera) == 3:
        ahead = np.broadcast_to((0.0, 0.0, -1.0), (len(places), 3))
        flat = places * (1, -1) / camera[0] - camera[1:]
        return np.concatenate([flat, np.ones((len(places), 1))], 1), ahead
    slope = (places - camera[2:4]) * (1, -1) / camera[:2]
    ahead = np.concatenate([slope, -np.ones((len(places), 1))], 1)
    return np.broadcast_to(-camera[4:], (len(places), 3)), ahead / np.linalg.norm(ahead, axis=1, keepdims=True)


def _find_first_hits(
    origins: Array, directions: Array, places: Array, mesh: Array, camera: Array, faces: Array
) -> tuple[Array, Array, Array]:
    """The first triangle (N,) on each ray or -1, weights (N, 3) of its corners, and whether (N,) it is met in front.

    All rays pass through the camera, so that a ray can meet the triangles alone that cover its place in the picture.
    """
    corners = _project_points(mesh, camera)[faces]
    low, high = corners.min(1) - 1e-9, corners.max(1) + 1e-9
    index, weights, front = np.full(len(places), -1), np.zeros((len(places), 3)), np.zeros(len(places), np.bool_)
    tiles = np.floor(places * (128 / TILE)).astype(np.int64)
    _, tile = np.unique(tiles, axis=0, return_inverse=True)
    order = np.argsort(tile.ravel(), kind="stable")
    for rays in np.split(order, np.flatnonzero(np.diff(tile.ravel()[order])) + 1):
        reach = (low <= places[rays].max(0)).all(1) & (high >= places[rays].min(0)).all(1)
        near = np.flatnonzero(reach)
        if len(near):
            hit, weights[rays], front[rays] = _intersect(origins[rays], directions[rays], mesh[faces[near]])
            index[rays] = np.where(hit >= 0, near[hit], -1)
    return index, weights, front


def _intersect(origins: Array, directions: Array, triangles: Array) -> tuple[Array, Array, Array]:
    """`_find_first_hits` of rays (N, 3) and all triangles (M, 3, 3), by Moeller and Trumbore's formula."""
    a, first, second = triangles[:, 0], triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]
    across = np.cross(directions[:, None], second)
    determinant = (first * across).sum(-1)
    offset = origins[:, None] - a
    upright = np.cross(offset, first)
    with np.errstate(divide="ignore", invalid="ignore"):
        u = (offset * across).sum(-1) / determinant
        v = (directions[:, None] * upright).sum(-1) / determinant
        distance = (second * upright).sum(-1) / determinant
    inside = (u >= 0) & (v >= 0) & (u + v <= 1) & (distance > 0)
    distance = np.where(inside, distance, np.inf)
    hit = distance.argmin(1)
    ray = np.arange(len(origins))
    u, v = u[ray, hit], v[ray, hit]
    index = np.where(np.isfinite(distance[ray, hit]), hit, -1)
    return index, np.stack([1 - u - v, u, v], -1), determinant[ray, hit] > 0
