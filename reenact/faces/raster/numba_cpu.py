"""Compiled loops for the CPU: a z-buffer that visits each face once, by the rules of `torch_reference`.

Kernels release the interpreter lock and run on threads of our own, as many as torch uses, so they're safe after a fork
and single-threaded in a loader's worker. Frames, or bands of rows of a frame, are independent; results don't depend on
the number of threads.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from math import ceil, floor, isfinite
from typing import Any

import numpy as np
import torch
from numba import njit
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

Array = np.ndarray[Any, Any]


@lru_cache(maxsize=1)
def _pool(process: int, threads: int) -> ThreadPoolExecutor:
    """The threads of this process; a forked child has another number and so gets its own."""
    return ThreadPoolExecutor(threads, thread_name_prefix=f"raster-{process}")


def _run(kernel: Callable[..., None], jobs: Sequence[tuple[Any, ...]]) -> None:
    """Call the kernel on each job's arguments, in parallel where torch may use several threads."""
    threads = min(torch.get_num_threads(), len(jobs))
    if threads <= 1:
        for job in jobs:
            kernel(*job)
        return
    pending = [_pool(os.getpid(), torch.get_num_threads()).submit(kernel, *job) for job in jobs]
    for future in pending:
        future.result()


def _bands(batch: int, height: int) -> list[tuple[int, int, int]]:
    """(frame, first row, end row) jobs, at least one a thread."""
    count = max(1, -(-torch.get_num_threads() // max(1, batch)))
    edges = [height * band // count for band in range(count + 1)]
    return [(frame, edges[band], edges[band + 1]) for frame in range(batch) for band in range(count)]


@njit(nogil=True, cache=True, error_model="numpy")
def _fill(
    points: Array, faces: Array, first: int, end: int, cull: bool, face_index: Array, barycentric: Array, depth: Array
) -> None:
    """Draw one frame's faces into the rows [first, end) of its three outputs."""
    width = face_index.shape[1]
    face_index[first:end] = -1
    barycentric[first:end] = 0
    depth[first:end] = np.inf
    away = np.zeros(faces.shape[0], dtype=np.bool_)
    for face in range(faces.shape[0]):
        a, b, c = faces[face, 0], faces[face, 1], faces[face, 2]
        x0, y0, z0 = points[a, 0], points[a, 1], points[a, 2]
        x1, y1, z1 = points[b, 0], points[b, 1], points[b, 2]
        x2, y2, z2 = points[c, 0], points[c, 1], points[c, 2]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if area == 0 or not (isfinite(area) and isfinite(z0) and isfinite(z1) and isfinite(z2)):
            continue
        top = int(min(max(ceil(min(y0, y1, y2) - 0.5), first), end))
        bottom = int(max(min(floor(max(y0, y1, y2) - 0.5), end - 1), first - 1))
        left = int(min(max(ceil(min(x0, x1, x2) - 0.5), 0), width))
        right = int(max(min(floor(max(x0, x1, x2) - 0.5), width - 1), -1))
        away[face] = area > 0
        sign = 1.0 if area > 0 else -1.0
        scale = 1.0 / area
        for row in range(top, bottom + 1):
            dy0, dy1, dy2 = y0 - (row + 0.5), y1 - (row + 0.5), y2 - (row + 0.5)
            for column in range(left, right + 1):
                dx0, dx1, dx2 = x0 - (column + 0.5), x1 - (column + 0.5), x2 - (column + 0.5)
                e0 = dx1 * dy2 - dx2 * dy1
                e1 = dx2 * dy0 - dx0 * dy2
                e2 = dx0 * dy1 - dx1 * dy0
                if e0 * sign >= 0 and e1 * sign >= 0 and e2 * sign >= 0:
                    z = (e0 * z0 + e1 * z1 + e2 * z2) * scale
                    if np.float32(z) < np.float32(depth[row, column]):
                        depth[row, column] = z
                        face_index[row, column] = face
                        barycentric[row, column, 0] = e0 * scale
                        barycentric[row, column, 1] = e1 * scale
                        barycentric[row, column, 2] = e2 * scale
    if cull:
        _erase(away, face_index[first:end], barycentric[first:end], depth[first:end])


@njit(nogil=True, cache=True)
def _erase(away: Array, face_index: Array, barycentric: Array, depth: Array) -> None:
    """Turn the pixels of faces seen from behind into background."""
    for row in range(face_index.shape[0]):
        for column in range(face_index.shape[1]):
            face = face_index[row, column]
            if face >= 0 and away[face]:
                face_index[row, column] = -1
                barycentric[row, column] = 0
                depth[row, column] = np.inf


def rasterize(
    points: Tensor, faces: Tensor, height: int, width: int, cull_backfaces: bool, dtype: torch.dtype
) -> tuple[Tensor, Tensor, Tensor]:
    """Face index (B, H, W), barycentric (B, H, W, 3) and depth (B, H, W) of `pixel_points` (B, V, 3)."""
    batch = len(points)
    face_index = torch.empty((batch, height, width), dtype=torch.int64)
    barycentric = torch.empty((batch, height, width, 3), dtype=dtype)
    depth = torch.empty((batch, height, width), dtype=dtype)
    corners, triangles = points.detach().numpy(), faces.contiguous().numpy()
    out = face_index.numpy(), barycentric.numpy(), depth.numpy()
    jobs = [
        (corners[frame], triangles, first, end, cull_backfaces, out[0][frame], out[1][frame], out[2][frame])
        for frame, first, end in _bands(batch, height)
    ]
    _run(_fill, jobs)
    return face_index, barycentric, depth


@njit(nogil=True, cache=True)
def _gather(
    attributes: Array, faces: Array, face_index: Array, barycentric: Array, first: int, end: int, image: Array
) -> None:
    """Interpolate one frame's attributes (V, C) into rows [first, end) of its image (C, H, W)."""
    width, channels = face_index.shape[1], attributes.shape[1]
    line = np.empty((width, channels), dtype=attributes.dtype)
    for row in range(first, end):
        for column in range(width):
            face = face_index[row, column]
            if face < 0:
                line[column] = 0
                continue
            a, b, c = faces[face, 0], faces[face, 1], faces[face, 2]
            u, v, w = barycentric[row, column, 0], barycentric[row, column, 1], barycentric[row, column, 2]
            for channel in range(channels):
                line[column, channel] = (
                    attributes[a, channel] * u + attributes[b, channel] * v + attributes[c, channel] * w
                )
        for channel in range(channels):
            for column in range(width):
                image[channel, row, column] = line[column, channel]


@njit(nogil=True, cache=True)
def _scatter(
    faces: Array, face_index: Array, barycentric: Array, gradient: Array, to_attributes: Array
) -> None:
    """Add one frame's image gradient (C, H, W) to the gradient (V, C) of its attributes."""
    height, width = face_index.shape
    channels = to_attributes.shape[1]
    line = np.empty((width, channels), dtype=gradient.dtype)
    for row in range(height):
        for channel in range(channels):
            for column in range(width):
                line[column, channel] = gradient[channel, row, column]
        for column in range(width):
            face = face_index[row, column]
            if face < 0:
                continue
            for corner in range(3):
                vertex, weight = faces[face, corner], barycentric[row, column, corner]
                for channel in range(channels):
                    to_attributes[vertex, channel] += line[column, channel] * weight


@njit(nogil=True, cache=True)
def _scatter_weights(
    attributes: Array, faces: Array, face_index: Array, gradient: Array, to_barycentric: Array
) -> None:
    """Write the gradient (H, W, 3) of one frame's barycentric weights, given its image gradient (C, H, W)."""
    height, width = face_index.shape
    for row in range(height):
        for column in range(width):
            face = face_index[row, column]
            if face < 0:
                continue
            for corner in range(3):
                vertex = faces[face, corner]
                for channel in range(attributes.shape[1]):
                    to_barycentric[row, column, corner] += gradient[channel, row, column] * attributes[vertex, channel]


class _Interpolate(torch.autograd.Function):
    """Attributes (B, V, C) at the pixels, (B, C, H, W), with gradients to attributes and barycentric weights."""

    @staticmethod
    def forward(
        ctx: FunctionCtx, attributes: Tensor, barycentric: Tensor, face_index: Tensor, faces: Tensor
    ) -> Tensor:
        ctx.save_for_backward(attributes, barycentric, face_index, faces)
        image = attributes.new_empty((len(face_index), attributes.shape[-1], *face_index.shape[1:]))
        values, weights = attributes.detach().numpy(), barycentric.detach().numpy()
        index, triangles, out = face_index.numpy(), faces.numpy(), image.numpy()
        jobs = [
            (values[frame], triangles, index[frame], weights[frame], first, end, out[frame])
            for frame, first, end in _bands(len(index), index.shape[1])
        ]
        _run(_gather, jobs)
        return image

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        attributes, barycentric, face_index, faces = ctx.saved_tensors
        incoming, index, triangles = gradient.contiguous().numpy(), face_index.numpy(), faces.numpy()
        values, weights = attributes.detach().numpy(), barycentric.detach().numpy()
        to_attributes = torch.zeros_like(attributes, memory_format=torch.contiguous_format)
        to_barycentric = torch.zeros_like(barycentric)
        frames = range(len(index))
        if ctx.needs_input_grad[0]:
            out = to_attributes.numpy()
            _run(_scatter, [(triangles, index[i], weights[i], incoming[i], out[i]) for i in frames])
        if ctx.needs_input_grad[1]:
            out = to_barycentric.numpy()
            _run(_scatter_weights, [(values[i], triangles, index[i], incoming[i], out[i]) for i in frames])
        return to_attributes, to_barycentric, None, None


def interpolate(face_index: Tensor, barycentric: Tensor, faces: Tensor, attributes: Tensor) -> Tensor:
    """Attributes (B, V, C) at the pixels, (B, C, H, W), 0 on background."""
    image: Tensor = _Interpolate.apply(attributes, barycentric.contiguous(), face_index.contiguous(), faces.contiguous())
    return image
