"""Meshes for the tests of the rasteriser."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def soup(seed: int, batch: int = 2, vertices: int = 30, faces: int = 40, dtype: torch.dtype = torch.float32):
    """Random triangles, many of them partly outside the image, some degenerate."""
    generator = torch.Generator().manual_seed(seed)
    points = torch.randn(batch, vertices, 3, generator=generator, dtype=torch.float64).to(dtype) * 0.7
    return points, torch.randint(0, vertices, (faces, 3), generator=generator)


def sphere(rings: int = 12, sectors: int = 16) -> tuple[Tensor, Tensor]:
    """A closed ellipsoid (V, 3) in normalised device coordinates whose faces point outward, and its (F, 3) faces."""
    points = [(0.0, -1.0, 0.0)]
    for ring in range(1, rings + 1):
        polar = math.pi * ring / (rings + 1)
        for sector in range(sectors):
            turn = 2 * math.pi * sector / sectors
            points.append((math.sin(polar) * math.cos(turn), -math.cos(polar), math.sin(polar) * math.sin(turn)))
    points.append((0.0, 1.0, 0.0))
    faces = []
    for sector in range(sectors):
        after = (sector + 1) % sectors
        faces.append((0, 1 + sector, 1 + after))
        bottom = len(points) - 1 - sectors
        faces.append((len(points) - 1, bottom + after, bottom + sector))
    for ring in range(rings - 1):
        for sector in range(sectors):
            after = (sector + 1) % sectors
            a, b = 1 + ring * sectors + sector, 1 + ring * sectors + after
            faces += [(a, a + sectors, b), (b, a + sectors, b + sectors)]
    return torch.tensor(points) * torch.tensor([0.65, 0.8, 0.7]), torch.tensor(faces)


def grid(cells: int) -> tuple[Tensor, Tensor]:
    """A flat, front-facing square of cells x cells quads from -0.8 to 0.8, at depth 0."""
    line = torch.linspace(-0.8, 0.8, cells + 1)
    y, x = torch.meshgrid(line, line, indexing="ij")
    points = torch.stack([x, y, torch.zeros_like(x)], dim=-1).reshape(-1, 3)
    row, column = torch.meshgrid(torch.arange(cells), torch.arange(cells), indexing="ij")
    a = (row * (cells + 1) + column).flatten()
    b, c, d = a + 1, a + cells + 1, a + cells + 2
    return points, torch.cat([torch.stack([a, c, b], dim=-1), torch.stack([b, c, d], dim=-1)])
