"""Perspective-correct interpolation: weights on the surface in place of weights in the image."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from reenact.faces.raster.fragments import Fragments


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
    covered = fragments.covered[..., None]
    corners = faces[fragments.face_index.clamp(min=0)]
    frame = torch.arange(batch, device=distance.device).view(-1, 1, 1, 1)
    weights = fragments.barycentric / distance.to(fragments.barycentric.dtype)[frame, corners]
    total = torch.where(covered, weights.sum(-1, keepdim=True), 1)
    return replace(fragments, barycentric=torch.where(covered, weights / total, 0))
