"""Compiled vertex normals for the CPU, by the rule of `shading.vertex_normals`."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from reenact.compilation import njit
from reenact.threads import Array, run_jobs

_LEAST = 1e-12
"""Least length by which a vector is divided, as `torch.nn.functional.normalize` does."""


@njit(nogil=True, cache=True)
def _sum_rings(points: Array, triangles: Array, rings: Array, normals: Array) -> None:
    """Normals (V, 3) of one mesh (V, 3); a ring's entry F adds nothing."""
    flat = np.zeros((len(triangles) + 1, 3), points.dtype)
    for face in range(len(triangles)):
        a, b, c = points[triangles[face, 0]], points[triangles[face, 1]], points[triangles[face, 2]]
        ux, uy, uz = a[0] - b[0], a[1] - b[1], a[2] - b[2]
        vx, vy, vz = b[0] - c[0], b[1] - c[1], b[2] - c[2]
        x, y, z = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        length = max(np.sqrt(x * x + y * y + z * z), _LEAST)
        flat[face, 0], flat[face, 1], flat[face, 2] = x / length, y / length, z / length
    for vertex in range(len(rings)):
        x, y, z = flat[-1, 0], flat[-1, 1], flat[-1, 2]
        for place in range(rings.shape[1]):
            face = rings[vertex, place]
            x, y, z = x + flat[face, 0], y + flat[face, 1], z + flat[face, 2]
        length = max(np.sqrt(x * x + y * y + z * z), _LEAST)
        normals[vertex, 0], normals[vertex, 1], normals[vertex, 2] = x / length, y / length, z / length


def sum_rings(vertices: Tensor, triangles: Tensor, rings: Tensor) -> Tensor:
    """The normals (B, V, 3) of vertices (B, V, 3) on the CPU, without gradients."""
    normals = torch.empty_like(vertices, memory_format=torch.contiguous_format)
    meshes, out = vertices.detach().contiguous().numpy(), normals.numpy()
    shared = triangles.numpy(), rings.numpy()
    run_jobs(_sum_rings, [(mesh, *shared, result) for mesh, result in zip(meshes, out, strict=True)])
    return normals
