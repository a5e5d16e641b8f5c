"""The rules of the rasteriser in plain torch: slow, readable, and what every other backend is tested against.

Conventions: vertices in normalised device coordinates (x right, y down, z away; [-1, 1] spans the image edge to edge),
pixel (i, j) has its centre at (j + 0.5, i + 0.5) in pixel units; no perspective correction. Coverage and depth are
evaluated in float64, so that backends agree to the bit:

* corner weight: e_k = dx_a * dy_b - dx_b * dy_a of the two other corners a, b, taken relative to the pixel centre;
  this form changes only its sign when a and b swap, so faces that share an edge leave no gap;
* a face covers a pixel whose centre is in its bounding box and whose three weights have the sign of its area or are 0;
* faces of zero area, or with a vertex that isn't finite, cover nothing;
* the least depth, rounded to float32, wins; among equals the lowest face index.
"""

from __future__ import annotations

import torch
from torch import Tensor

# Bounds the memory of a (faces, pixels) table; 2**22 float64 entries are 32 MiB.
_TABLE_ENTRIES = 2**22


def pixel_points(vertices: Tensor, height: int, width: int) -> Tensor:
    """Vertices (B, V, 3) in normalised device coordinates to float64 (B, V, 3): x, y in pixels, z as it is."""
    half = vertices.new_tensor([width / 2, height / 2, 1.0], dtype=torch.float64)
    return vertices.double() * half + vertices.new_tensor([width / 2, height / 2, 0.0], dtype=torch.float64)


def signed_areas(corners: Tensor) -> Tensor:
    """Twice the signed area (...) of triangles (..., 3, 2+) in image coordinates; positive ones face away."""
    x, y = corners[..., 0], corners[..., 1]
    return (x[..., 1] - x[..., 0]) * (y[..., 2] - y[..., 0]) - (x[..., 2] - x[..., 0]) * (y[..., 1] - y[..., 0])


def corner_weights(corners: Tensor, centre_x: Tensor, centre_y: Tensor) -> Tensor:
    """Unnormalised barycentric weights (..., 3) of pixel centres (...) in triangles (..., 3, 2+)."""
    dx = corners[..., 0] - centre_x[..., None]
    dy = corners[..., 1] - centre_y[..., None]
    following, last = [1, 2, 0], [2, 0, 1]
    return dx[..., following] * dy[..., last] - dx[..., last] * dy[..., following]


def rasterize(
    vertices: Tensor, faces: Tensor, height: int, width: int, cull_backfaces: bool, dtype: torch.dtype
) -> tuple[Tensor, Tensor, Tensor]:
    """Face index (B, H, W), barycentric (B, H, W, 3) and depth (B, H, W), both `dtype`, of vertices (B, V, 3)."""
    points = pixel_points(vertices, height, width)
    rows, columns = torch.meshgrid(
        torch.arange(height, device=points.device), torch.arange(width, device=points.device), indexing="ij"
    )
    centre_x, centre_y = columns.flatten() + 0.5, rows.flatten() + 0.5
    frames = [_visible_faces(frame, faces, centre_x, centre_y) for frame in points]
    index = points.new_empty((0, height, width), dtype=torch.int64)
    if frames:
        index = torch.stack(frames).view(-1, height, width)
    if cull_backfaces:
        index = drop_backfaces(index, points, faces)
    barycentric, depth = interpolate_surface(index, points, faces)
    return index, barycentric.to(dtype), depth.to(dtype)


def _visible_faces(points: Tensor, faces: Tensor, centre_x: Tensor, centre_y: Tensor) -> Tensor:
    """The face (P,) seen at each pixel centre (P,) of one frame of points (V, 3); -1 where there is none."""
    nearest = torch.full_like(centre_x, torch.inf, dtype=torch.float32)
    winner = torch.full_like(centre_x, -1, dtype=torch.int64)
    chunk = max(1, _TABLE_ENTRIES // max(1, centre_x.numel()))
    for start in range(0, len(faces), chunk):
        depth = _face_depths(points[faces[start : start + chunk]], centre_x, centre_y)
        least = depth.amin(dim=0)
        numbers = torch.arange(start, start + len(depth), device=points.device)[:, None]
        first = torch.where(depth == least, numbers, len(faces)).amin(dim=0)
        closer = least < nearest
        winner = torch.where(closer, first, winner)
        nearest = torch.where(closer, least, nearest)
    return winner


def _face_depths(corners: Tensor, centre_x: Tensor, centre_y: Tensor) -> Tensor:
    """Depth (F, P) float32 of each triangle (F, 3, 3) at each pixel centre (P,); inf where it doesn't cover it."""
    weights = corner_weights(corners[:, None], centre_x[None], centre_y[None])
    area = signed_areas(corners)
    x, y, z = corners.unbind(dim=-1)
    valid = area.isfinite() & (area != 0) & z.isfinite().all(dim=-1)
    inside = (weights * area.sign()[:, None, None] >= 0).all(dim=-1) & valid[:, None]
    inside &= (centre_x >= x.amin(dim=-1, keepdim=True)) & (centre_x <= x.amax(dim=-1, keepdim=True))
    inside &= (centre_y >= y.amin(dim=-1, keepdim=True)) & (centre_y <= y.amax(dim=-1, keepdim=True))
    depth = _sum_corners(weights, z[:, None]) * (1.0 / area)[:, None]
    return torch.where(inside, depth, torch.inf).float()


def _sum_corners(weights: Tensor, values: Tensor) -> Tensor:
    """Sum over three corners in a fixed order, which a reduction doesn't promise."""
    return weights[..., 0] * values[..., 0] + weights[..., 1] * values[..., 1] + weights[..., 2] * values[..., 2]


def drop_backfaces(index: Tensor, points: Tensor, faces: Tensor) -> Tensor:
    """Face index (B, H, W) with pixels whose visible face is seen from behind turned into background.

    Runs after the depth test, as the released PWM code does: a hole isn't filled by a farther front face.
    """
    backward = signed_areas(points[:, faces]) > 0
    if not len(faces):
        return index
    from_behind = torch.gather(backward, 1, index.flatten(1).clamp(min=0)).view_as(index)
    return torch.where(from_behind, -1, index)


def interpolate_surface(index: Tensor, points: Tensor, faces: Tensor) -> tuple[Tensor, Tensor]:
    """Barycentric (B, H, W, 3) and depth (B, H, W) at the visible faces, differentiable in `points`, float64."""
    frame, row, column = torch.nonzero(index >= 0, as_tuple=True)
    corners = points[frame[:, None], faces[index[frame, row, column]]]
    weights = corner_weights(corners, column + 0.5, row + 0.5)
    scale = 1.0 / signed_areas(corners)
    barycentric = points.new_zeros((*index.shape, 3)).index_put((frame, row, column), weights * scale[:, None])
    depth = points.new_full(index.shape, torch.inf)
    depth = depth.index_put((frame, row, column), _sum_corners(weights, corners[..., 2]) * scale)
    return barycentric, depth


def interpolate(face_index: Tensor, barycentric: Tensor, faces: Tensor, attributes: Tensor) -> Tensor:
    """Attributes (B, V, C) at the pixels, (B, C, H, W), 0 on background; differentiable in both by autograd."""
    batch, vertices, channels = attributes.shape
    image = barycentric.new_zeros((*face_index.shape, channels))
    if len(faces):
        corners = faces[face_index.clamp(min=0)]
        first = torch.arange(batch, device=attributes.device).view(-1, 1, 1) * vertices
        table = attributes.reshape(batch * vertices, channels)
        for k in range(3):
            image = image + table[corners[..., k] + first] * barycentric[..., k, None]
    return image.permute(0, 3, 1, 2).contiguous()
