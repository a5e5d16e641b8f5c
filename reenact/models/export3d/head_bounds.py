"""The mesh of a head as the bounds of its surface: how far from it hair may lie, and how deep the head is solid."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from scipy.spatial import cKDTree
from torch import Tensor

from reenact.faces.model import FaceModel
from reenact.faces.params import FaceParams
from reenact.models.export3d.head_cover import measure_margins

SKIN = 0.02
"""Metres below the mesh in which the head may be empty: fitted faces are not exact."""


@dataclass(frozen=True)
class HeadBounds:
    """A mesh with the margins of its vertices, all lengths in one unit."""

    vertices: Tensor
    """(V, 3)"""
    normals: Tensor
    """(V, 3) outwards."""
    margins: Tensor
    """(V) about a vertex in which the head may lie."""
    skin: float
    """Depth below the mesh in which the head may be empty."""

    def span_box(self) -> tuple[Tensor, Tensor]:
        """Least and greatest corner (3) of a box about the mesh with its margins; a neck ends with the mesh."""
        low, high = self.vertices.amin(0), self.vertices.amax(0)
        room = self.margins.amax() * low.new_tensor([1.0, 0.0, 1.0])
        return low - room, high + self.margins.amax()

    def measure_room(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Distances (N) of points (N, 3) to the end of the margin and to the solid part, positive inside of them."""
        tree = cKDTree(self.vertices.double().cpu().numpy())
        _, found = tree.query(points.double().cpu().numpy(), workers=1)
        nearest = torch.from_numpy(found).to(points.device)
        offset = points - self.vertices[nearest]
        distance = offset.norm(dim=-1)
        outside = torch.where((offset * self.normals[nearest]).sum(-1) < 0, -distance, distance)
        return self.margins[nearest] - outside, -self.skin - outside

    def bound_density(self, density: Tensor, points: Tensor, level: float, step: float) -> Tensor:
        """Densities (N) that pass a level at the end of the margin at most, and where the head is solid at least.

        Args:
            density: (N) at the points.
            points: (N, 3).
            level: density of the surface.
            step: distance over which the bounds double the level.
        """
        room, depth = self.measure_room(points)
        most, least = (level * (1 + inside / step) for inside in (room, depth))
        return torch.maximum(torch.minimum(density, most), least)


def build_head_bounds(face_model: FaceModel, params: FaceParams, middle: Tensor, unit: float) -> HeadBounds:
    """Build the bounds of a head with straight neck.

    Args:
        face_model: the model of the parameters.
        params: shape and expression of one face.
        middle: (3,) origin of the bounds in model space.
        unit: metres that are one in the bounds.
    """
    upright = {name: torch.zeros_like(getattr(params, name)) for name in ("global_pose", "neck_pose")}
    params = replace(params, **upright)
    return HeadBounds(
        (face_model.vertices(params)[0] - middle) / unit,
        face_model.normals(params)[0],
        measure_margins(face_model) / unit,
        SKIN / unit,
    )
