"""The mesh of a head as the bounds of its surface: how far from it hair may lie, and how deep the head is solid."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from reenact.faces.model import FaceModel
from reenact.faces.params import FaceParams
from reenact.models.export3d.head_cover import measure_margins

SKIN = 0.02
"""Metres below the front of the mesh in which the head may be empty: fitted faces are not exact."""
BACK_MARGIN = 0.01
"""Metres about the back of the mesh in which the head may lie; below it the head is solid, since no picture tells."""
NEIGHBOURS = 6
"""Vertices by which the distance of a point to the mesh is told."""
SIDE = 0.5
"""Least z of the normals of the front; greatest one, less than zero, of those of the back."""


@dataclass(frozen=True)
class HeadBounds:
    """A mesh with the margins of its vertices, all lengths in one unit."""

    vertices: Tensor
    """(V, 3)"""
    normals: Tensor
    """(V, 3) outwards."""
    margins: Tensor
    """(V) about a vertex in which the head may lie."""
    skins: Tensor
    """(V) depth below a vertex in which the head may be empty."""

    def span_box(self) -> tuple[Tensor, Tensor]:
        """Least and greatest corner (3) of a box about the mesh with its margins; a neck ends with the mesh."""
        low, high = self.vertices.amin(0), self.vertices.amax(0)
        room = self.margins.amax() * low.new_tensor([1.0, 0.0, 1.0])
        return low - room, high + self.margins.amax()

    def measure_room(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Distances (N) of points (N, 3) to the end of the margin and to the solid part, positive inside of them."""
        places = self.vertices.double().cpu().numpy()
        tree = cKDTree(places)
        gap = float(np.median(np.asarray(tree.query(places, k=NEIGHBOURS)[0])[:, -1]))
        distances, numbers = tree.query(points.double().cpu().numpy(), k=NEIGHBOURS)
        distance, near = torch.from_numpy(distances).to(points), torch.from_numpy(numbers).to(points.device)
        weights = 1 / distance.square().clamp_min(gap**2 / 100)
        weights = weights / weights.sum(1, keepdim=True)
        # Between vertices the height above their planes tells more than the distance to one; farther away it does not.
        height = (weights * ((points[:, None] - self.vertices[near]) * self.normals[near]).sum(-1)).sum(1)
        least = (distance[:, 0].square() - gap**2).clamp_min(0).sqrt()
        outside = torch.where(height < 0, -1, 1) * torch.maximum(height.abs(), least)
        margins, skins = ((weights * values[near]).sum(1) for values in (self.margins, self.skins))
        return margins - outside, -skins - outside

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
    vertices, normals = face_model.vertices(params)[0], face_model.normals(params)[0]
    front = (normals[:, 2] / SIDE + 1).clamp(0, 2) / 2
    margins = BACK_MARGIN + front * (measure_margins(face_model) - BACK_MARGIN)
    return HeadBounds((vertices - middle) / unit, normals, margins / unit, front * (SKIN / unit))
