"""Compiled antialiasing of silhouettes on the CPU, by the rule that `silhouette` states and implements in torch."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from reenact.compilation import njit
from reenact.faces.raster.fragments import Fragments
from reenact.faces.raster.numba_cpu import to_pixels
from reenact.faces.raster.silhouette import TOLERANCE
from reenact.threads import Array, allocate_zeros, run_jobs


class FrameBlends(NamedTuple):
    """Blends between neighbours of one frame; pixels are numbered row * W + column."""

    pixels: Array
    """(N, 2) int64: left or upper pixel, right or lower pixel."""
    alpha: Array
    """(N,) float64 share, as in `silhouette.Pairs`."""


@njit(nogil=True, cache=True)
def _twice_area(points: Array, a: int, b: int, c: int) -> float:
    first, second, third = points[a], points[b], points[c]
    area: float = (second[0] - first[0]) * (third[1] - first[1]) - (third[0] - first[0]) * (second[1] - first[1])
    return area


@njit(nogil=True, cache=True)
def _silhouette_edges(points: Array, faces: Array, opposite: Array) -> Array:
    """(F + 1,) uint8: bit k: the edge that faces corner k is on the silhouette; the last entry is background."""
    bits = np.zeros(faces.shape[0] + 1, dtype=np.uint8)
    for face in range(faces.shape[0]):
        faces_away = _twice_area(points, faces[face, 0], faces[face, 1], faces[face, 2]) < 0
        for k in range(3):
            wing_vertex = opposite[face, k]
            wing_faces_away = faces_away
            if wing_vertex >= 0:
                wing_faces_away = (
                    _twice_area(points, wing_vertex, faces[face, (k + 1) % 3], faces[face, (k + 2) % 3]) < 0
                )
            if wing_faces_away == faces_away:
                bits[face] |= np.uint8(1 << k)
    return bits


@njit(nogil=True, cache=True)
def _find_crossing(points: Array, face: Array, edges: int, axis: int, x: float, y: float, direction: float) -> float:
    """Distance from the pixel centre (x, y) at which a silhouette edge crosses the line to its neighbour, or -inf."""
    farthest, chosen = -np.inf, False
    for k in range(3):
        start, end = points[face[(k + 1) % 3]], points[face[(k + 2) % 3]]
        along, aside, along_end, aside_end = start[0] - x, start[1] - y, end[0] - x, end[1] - y
        if axis == 1:
            along, aside, along_end, aside_end = aside, along, aside_end, along_end
        if (aside < 0) == (aside_end < 0):
            continue
        run, rise = along_end - along, aside_end - aside
        distance = direction * (along * rise - aside * run) / rise
        if distance > farthest:
            farthest = distance
            chosen = abs(rise) >= abs(run) and (edges >> k) & 1 == 1
    if chosen and -TOLERANCE < farthest < 1 + TOLERANCE:
        return min(max(farthest, 0.0), 1.0)
    return -np.inf


@njit(nogil=True, cache=True)
def _find_candidates(face_index: Array, bits: Array) -> Array:
    """(N,) pixels that show another face than the one to the right or below, one of them with a silhouette edge."""
    height, width = np.uint64(face_index.shape[0]), np.uint64(face_index.shape[1])
    one = np.uint64(1)
    pixels = np.empty(face_index.size, dtype=np.int64)
    count = 0
    for row in range(height):
        below = min(row + one, height - one)
        for column in range(width):
            face = face_index[row, column]
            right, down = face_index[row, min(column + one, width - one)], face_index[below, column]
            if (face != right or face != down) and (bits[face] | bits[right] | bits[down]) != 0:
                pixels[count] = row * width + column
                count += 1
    return pixels[:count]


@njit(nogil=True, cache=True)
def _find_blends(
    vertices: Array, faces: Array, opposite: Array, face_index: Array, depth: Array
) -> tuple[Array, Array]:
    """The blends of one frame, row by row."""
    height, width = face_index.shape
    points = to_pixels(vertices, height, width)
    bits = _silhouette_edges(points, faces, opposite)
    candidates = _find_candidates(face_index, bits)
    pixels, alpha = np.empty((2 * len(candidates), 2), dtype=np.int64), np.empty(2 * len(candidates))
    count = 0
    for pixel in candidates:
        row, column = pixel // width, pixel % width
        for axis in range(2):
            below, right = row + axis, column + 1 - axis
            if below == height or right == width or face_index[row, column] == face_index[below, right]:
                continue
            first_face, second_face = face_index[row, column], face_index[below, right]
            first_wins = second_face < 0 or (first_face >= 0 and depth[row, column] < depth[below, right])
            face = first_face if first_wins else second_face
            direction = 1.0 if first_wins else -1.0
            x, y = (column, row) if first_wins else (right, below)
            distance = _find_crossing(points, faces[face], bits[face], axis, x + 0.5, y + 0.5, direction)
            if distance >= 0:
                pixels[count, 0], pixels[count, 1] = pixel, below * width + right
                alpha[count] = direction * (0.5 - distance)
                count += 1
    return pixels[:count].copy(), alpha[:count].copy()


@njit(nogil=True, cache=True)
def apply_blends(image: Array, pixels: Array, alpha: Array) -> None:
    """Blend one frame (C, H, W) in place; every blend reads the colours from before all blends."""
    channels, height, width = image.shape
    flat = image.reshape(channels, height * width)
    change = np.empty((len(alpha), channels), dtype=image.dtype)
    for n in range(len(alpha)):
        for channel in range(channels):
            change[n, channel] = alpha[n] * (flat[channel, pixels[n, 1]] - flat[channel, pixels[n, 0]])
    for n in range(len(alpha)):
        target = pixels[n, 0] if alpha[n] > 0 else pixels[n, 1]
        for channel in range(channels):
            flat[channel, target] += change[n, channel]


@njit(nogil=True, cache=True)
def _copy_blend_gradients(source: Array, pixels: Array, alpha: Array, result: Array) -> None:
    """The gradient (C, H, W) of one frame before its blends, given that after them."""
    channels, height, width = source.shape
    result[:] = source
    after, before = source.reshape(channels, height * width), result.reshape(channels, height * width)
    for n in range(len(alpha)):
        target = pixels[n, 0] if alpha[n] > 0 else pixels[n, 1]
        for channel in range(channels):
            slope = alpha[n] * after[channel, target]
            before[channel, pixels[n, 1]] += slope
            before[channel, pixels[n, 0]] -= slope


def find_blends(fragments: Fragments, vertices: Tensor, faces: Tensor, opposite: Tensor) -> list[FrameBlends]:
    """The blends of each frame of a batch; see `silhouette.find_pairs`."""
    index, depth = fragments.face_index.numpy(), fragments.depth.detach().numpy()
    meshes = vertices.detach().to(fragments.depth.dtype).contiguous().numpy()
    shared = faces.contiguous().numpy(), opposite.numpy()
    frames = run_jobs(_find_blends, [(meshes[i], *shared, index[i], depth[i]) for i in range(len(index))])
    return [FrameBlends(*frame) for frame in frames]


def blend_gradients(gradient: Tensor, blends: list[FrameBlends]) -> Tensor:
    """The gradient (B, C, H, W) of the image before the blends, given that after them."""
    result = allocate_zeros(tuple(gradient.shape), gradient.dtype)
    source, out = gradient.numpy(), result.numpy()
    run_jobs(_copy_blend_gradients, [(source[i], *blends[i], out[i]) for i in range(len(blends))])
    return result


class _Blend(torch.autograd.Function):
    """An image (B, C, H, W) with the blends of each frame applied; gradients to the image."""

    @staticmethod
    def forward(ctx: Any, image: Tensor, blends: list[FrameBlends]) -> Tensor:  # noqa: ANN401 (torch's)
        ctx.blends = blends
        result = image.detach().clone(memory_format=torch.contiguous_format)
        out = result.numpy()
        run_jobs(apply_blends, [(out[i], *blends[i]) for i in range(len(blends))])
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401 (torch's)
        return blend_gradients(gradient.contiguous(), ctx.blends), None


def blend_frames(image: Tensor, blends: list[FrameBlends]) -> Tensor:
    """Apply the blends of each frame to an image (B, C, H, W)."""
    result: Tensor = _Blend.apply(image, blends)
    return result
