"""Compiled z-buffer for the CPU that visits each face once, by the rules of `torch_reference`.

Frames, or bands of rows of a frame, are independent; results don't depend on the number of threads.
"""

from __future__ import annotations

from math import isfinite

import numpy as np
import torch
from torch import Tensor

from reenact.compilation import njit
from reenact.threads import Array, allocate_zeros, run_jobs, split_bands

_BACKGROUND = np.iinfo(np.int64).max
_LANES = 8  # pixels tested together without a branch, which the compiler turns into vector instructions


@njit(nogil=True, cache=True)
def to_pixels(vertices: Array, height: int, width: int) -> Array:
    """`torch_reference.pixel_points` of one frame (V, 3)."""
    points = np.empty(vertices.shape, dtype=np.float64)
    for vertex in range(len(vertices)):
        points[vertex, 0] = np.float64(vertices[vertex, 0]) * (width / 2) + width / 2
        points[vertex, 1] = np.float64(vertices[vertex, 1]) * (height / 2) + height / 2
        points[vertex, 2] = vertices[vertex, 2]
    return points


@njit(nogil=True, cache=True, error_model="numpy")
def _draw_keys(points: Array, faces: Array, first: int, end: int, width: int, keys: Array, away: Array) -> None:
    """Lower the keys of the rows [first, end) to those of the faces that cover them; note faces seen from behind.

    A key holds the depth's float32 bits, made to order as an integer does, above the face index: the least key is the
    nearest face, and among equals the lowest. Rows of `keys` are wider than the image by `_LANES`.
    """
    for face in range(faces.shape[0]):
        a, b, c = faces[face, 0], faces[face, 1], faces[face, 2]
        x0, y0, z0 = points[a, 0], points[a, 1], points[a, 2]
        x1, y1, z1 = points[b, 0], points[b, 1], points[b, 2]
        x2, y2, z2 = points[c, 0], points[c, 1], points[c, 2]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if area == 0 or not (isfinite(area) and isfinite(z0) and isfinite(z1) and isfinite(z2)):
            continue
        away[face] = area > 0
        first_row = int(min(max(np.ceil(min(y0, y1, y2) - 0.5), first), end))
        last_row = int(max(min(np.floor(max(y0, y1, y2) - 0.5), end - 1), first - 1))
        first_column = int(min(max(np.ceil(min(x0, x1, x2) - 0.5), 0), width))
        last_column = int(max(min(np.floor(max(x0, x1, x2) - 0.5), width - 1), -1))
        if first_row > last_row or first_column > last_column:
            continue
        sign, scale = 1.0 if area > 0 else -1.0, 1.0 / area
        # Unsigned, because a signed index costs a test for counting from the end.
        for row in range(np.uint64(first_row - first), np.uint64(last_row + 1 - first)):
            line = keys[row]
            centre_y = np.float64(row) + (first + 0.5)
            dy0, dy1, dy2 = y0 - centre_y, y1 - centre_y, y2 - centre_y
            for block in range(np.uint64(first_column), np.uint64(last_column + 1), np.uint64(_LANES)):
                for lane in range(_LANES):
                    centre_x = np.float64(block) + lane + 0.5
                    dx0, dx1, dx2 = x0 - centre_x, x1 - centre_x, x2 - centre_x
                    e0 = dx1 * dy2 - dx2 * dy1
                    e1 = dx2 * dy0 - dx0 * dy2
                    e2 = dx0 * dy1 - dx1 * dy0
                    # Adding 0 turns -0, whose bits would order before 0, into 0.
                    bits = np.int64(np.float32((e0 * z0 + e1 * z1 + e2 * z2) * scale + 0.0).view(np.int32))
                    bits ^= (bits >> 31) & 0x7FFFFFFF
                    inside = (e0 * sign >= 0) & (e1 * sign >= 0) & (e2 * sign >= 0) & (centre_x <= last_column + 0.5)
                    key = (bits << 32) | face if inside else _BACKGROUND
                    column = block + np.uint64(lane)
                    line[column] = min(line[column], key)


@njit(nogil=True, cache=True, error_model="numpy")
def _resolve_keys(
    points: Array, faces: Array, first: int, keys: Array, face_index: Array, barycentric: Array, depth: Array
) -> None:
    """Turn the keys of a band that starts at row `first` into its fragments; `barycentric` comes as zeros."""
    for row in range(face_index.shape[0]):
        for column in range(face_index.shape[1]):
            if keys[row, column] == _BACKGROUND:
                face_index[row, column] = -1
                depth[row, column] = np.inf
                continue
            face = keys[row, column] & 0xFFFFFFFF
            a, b, c = faces[face, 0], faces[face, 1], faces[face, 2]
            x, y = column + 0.5, first + row + 0.5
            dx0, dx1, dx2 = points[a, 0] - x, points[b, 0] - x, points[c, 0] - x
            dy0, dy1, dy2 = points[a, 1] - y, points[b, 1] - y, points[c, 1] - y
            e0 = dx1 * dy2 - dx2 * dy1
            e1 = dx2 * dy0 - dx0 * dy2
            e2 = dx0 * dy1 - dx1 * dy0
            scale = 1.0 / (e0 + e1 + e2)
            face_index[row, column] = face
            barycentric[row, column, 0] = e0 * scale
            barycentric[row, column, 1] = e1 * scale
            barycentric[row, column, 2] = e2 * scale
            depth[row, column] = (e0 * points[a, 2] + e1 * points[b, 2] + e2 * points[c, 2]) * scale


@njit(nogil=True, cache=True)
def _erase_backfaces(keys: Array, away: Array) -> None:
    """Turn the pixels of faces seen from behind into background."""
    for row in range(keys.shape[0]):
        for column in range(keys.shape[1]):
            if keys[row, column] != _BACKGROUND and away[keys[row, column] & 0xFFFFFFFF]:
                keys[row, column] = _BACKGROUND


@njit(nogil=True, cache=True)
def _fill_band(
    vertices: Array,
    faces: Array,
    frame_height: int,
    first: int,
    cull: bool,
    face_index: Array,
    barycentric: Array,
    depth: Array,
) -> None:
    """Fill one band of one frame's fragments; `first` is the band's first row in the frame."""
    height, width = face_index.shape
    points = to_pixels(vertices, frame_height, width)
    keys = np.full((height, width + _LANES), _BACKGROUND)
    away = np.zeros(faces.shape[0], dtype=np.bool_)
    _draw_keys(points, faces, first, first + height, width, keys, away)
    if cull:
        _erase_backfaces(keys, away)
    _resolve_keys(points, faces, first, keys, face_index, barycentric, depth)


def rasterize(
    vertices: Tensor, faces: Tensor, height: int, width: int, cull_backfaces: bool, dtype: torch.dtype
) -> tuple[Tensor, Tensor, Tensor]:
    """Face index (B, H, W), barycentric (B, H, W, 3) and depth (B, H, W), both `dtype`, of vertices (B, V, 3)."""
    shape = (len(vertices), height, width)
    face_index, barycentric, depth = (
        allocate_zeros(shape, torch.int64),
        allocate_zeros((*shape, 3), dtype),
        allocate_zeros(shape, dtype),
    )
    meshes, triangles = vertices.to(dtype).contiguous().numpy(), faces.contiguous().numpy()
    index, weights, z = face_index.numpy(), barycentric.numpy(), depth.numpy()
    jobs = [
        (meshes[i], triangles, height, first, cull_backfaces, *(out[i, first:end] for out in (index, weights, z)))
        for i, first, end in split_bands(len(vertices), height)
    ]
    run_jobs(_fill_band, jobs)
    return face_index, barycentric, depth
