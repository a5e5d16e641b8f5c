"""Perspective-correct interpolation: weights on the surface in place of weights in the image."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from reenact.compilation import njit
from reenact.faces.raster.fragments import Fragments
from reenact.threads import Array, allocate_zeros, run_jobs, split_bands


def correct_perspective(fragments: Fragments, faces: Tensor, distance: Tensor) -> Fragments:
    """Turn weights that are linear in image space into those of the surface point that a perspective camera sees.

    A weight is divided by the distance of its vertex, then the three are scaled to a sum of 1 (Heckbert and Moreton,
    1991). Face index and depth stay. It reads fragments alone, so that it serves every backend.

    Args:
        fragments: the result of `rasterize`.
        faces: (F, 3) int64, as given to `rasterize`.
        distance: (B, V) positive distance of each vertex in front of the camera, along its axis, in any unit.

    Returns:
        Fragments whose weights carry gradients to the given weights and to the distance.

    Raises:
        ValueError: if the distance does not belong to these frames and this mesh.
    """
    batch = len(fragments.face_index)
    if distance.ndim != 2 or len(distance) != batch:
        raise ValueError(f"distance must have shape (B, V) with B = {batch}, not {tuple(distance.shape)}")
    if not len(faces):
        return fragments
    distance = distance.to(fragments.barycentric.dtype)
    learns = torch.is_grad_enabled() and (distance.requires_grad or fragments.barycentric.requires_grad)
    if distance.device.type == "cpu" and not learns:
        return replace(fragments, barycentric=_divide_frames(fragments, faces, distance))
    covered = fragments.covered[..., None]
    corners = faces[fragments.face_index.clamp(min=0)]
    frame = torch.arange(batch, device=distance.device).view(-1, 1, 1, 1)
    weights = fragments.barycentric / distance[frame, corners]
    total = torch.where(covered, weights.sum(-1, keepdim=True), 1)
    return replace(fragments, barycentric=torch.where(covered, weights / total, 0))


def _divide_frames(fragments: Fragments, faces: Tensor, distance: Tensor) -> Tensor:
    """The corrected weights (B, H, W, 3), without gradients, compiled for the CPU."""
    result = allocate_zeros(tuple(fragments.barycentric.shape), fragments.barycentric.dtype)
    index, weights = fragments.face_index.numpy(), fragments.barycentric.detach().numpy()
    triangles, far, out = faces.numpy(), distance.detach().numpy(), result.numpy()
    bands = split_bands(len(index), index.shape[1])
    run_jobs(_divide_weights, [(index[i, a:b], weights[i, a:b], triangles, far[i], out[i, a:b]) for i, a, b in bands])
    return result


@njit(nogil=True, cache=True)
def _divide_weights(face_index: Array, weights: Array, faces: Array, distance: Array, result: Array) -> None:
    """Divide the weights of a band's pixels by the distances of their vertices, and scale them to a sum of 1."""
    for row in range(face_index.shape[0]):
        for column in range(face_index.shape[1]):
            face = face_index[row, column]
            if face < 0:
                continue
            u = weights[row, column, 0] / distance[faces[face, 0]]
            v = weights[row, column, 1] / distance[faces[face, 1]]
            w = weights[row, column, 2] / distance[faces[face, 2]]
            total = u + v + w
            result[row, column, 0], result[row, column, 1], result[row, column, 2] = u / total, v / total, w / total
