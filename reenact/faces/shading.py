"""Colours of a lit mesh: vertex normals, and Deep3D's spherical harmonics of nine bands (`models/bfm.py`)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

AMBIENT = 0.8
"""Added to the first band of every light (`init_lit`)."""
_A0, _A1, _A2 = math.pi, 2 * math.pi / math.sqrt(3), 2 * math.pi / math.sqrt(8)
_C0, _C1, _C2 = (
    1 / math.sqrt(4 * math.pi),
    math.sqrt(3) / math.sqrt(4 * math.pi),
    3 * math.sqrt(5) / math.sqrt(12 * math.pi),
)


def vertex_normals(vertices: Tensor, triangles: Tensor, rings: Tensor) -> Tensor:
    """(B, V, 3) unit normals: the normalised sum of the unit normals of the triangles around each vertex.

    Args:
        vertices: (B, V, 3).
        triangles: (F, 3) int64, counter-clockwise seen from outside.
        rings: (V, 8) int64 triangles around each vertex; F where there are fewer.
    """
    a, b, c = (vertices[:, triangles[:, corner]] for corner in range(3))
    faces = F.normalize(torch.cross(a - b, b - c, dim=-1), dim=-1)
    faces = torch.cat([faces, faces.new_zeros(len(faces), 1, 3)], 1)
    return F.normalize(faces[:, rings].sum(2), dim=-1)


def evaluate_harmonics(normals: Tensor) -> Tensor:
    """(B, V, 9) bands of unit normals (B, V, 3) in model space, turned as the head is."""
    x, y, z = normals.unbind(-1)
    return torch.stack(
        [
            torch.full_like(x, _A0 * _C0),
            -_A1 * _C1 * y,
            _A1 * _C1 * z,
            -_A1 * _C1 * x,
            _A2 * _C2 * x * y,
            -_A2 * _C2 * y * z,
            _A2 * _C2 * 0.5 / math.sqrt(3) * (3 * z**2 - 1),
            -_A2 * _C2 * x * z,
            _A2 * _C2 * 0.5 * (x**2 - y**2),
        ],
        -1,
    )


def shade_albedo(albedo: Tensor, normals: Tensor, light: Tensor) -> Tensor:
    """(B, V, 3) colours, not clipped.

    Args:
        albedo: (B, V, 3) RGB in [0, 1].
        normals: (B, V, 3) unit normals, turned as the head is.
        light: (B, 9, 3) coefficients, band by RGB channel.
    """
    ambient = torch.zeros_like(light)
    ambient[:, 0] = AMBIENT
    return (evaluate_harmonics(normals) @ (light + ambient)) * albedo
