"""The jaw line as a 2D detector sees it: where a turned head hides it, it lies on the silhouette of the cheek."""

from __future__ import annotations

import torch
from torch import Tensor

from reenact.faces.model import FaceModel

SLIDING = (0, 1, 2, 3, 4, 12, 13, 14, 15, 16)
"""The landmarks of the jaw line beside the face; those of the chin stay where they are under yaw."""
STEPS = 12
"""Places on each line, from the landmark forward."""


class ContourLines:
    """For each sliding landmark, a line of places on the surface from the landmark forward at the same height.

    "Landmark marching" after Zhu et al. (CVPR 2015): a detector marks the outermost place of that line in the image. On
    the side nearer to the camera, and from the front, that is the landmark itself.

    Args:
        face_model: its mean mesh and landmarks make the lines; lengths are in units of its inter-ocular distance.
    """

    vertices: Tensor
    """(10, STEPS, 2) int64 vertices around each place."""
    weights: Tensor
    """(10, STEPS, 2) of the two vertices, of sum 1; both 0 where a line has no such place."""

    def __init__(self, face_model: FaceModel) -> None:
        mesh = face_model.mean_vertices
        landmarks = face_model.landmarks68(mesh[None])[0]
        unit = (landmarks[36] - landmarks[45]).norm()
        lines = [_line(mesh, landmarks[index], unit) for index in SLIDING]
        self.vertices = torch.stack([vertices for vertices, _ in lines])
        self.weights = torch.stack([weights for _, weights in lines])

    def mix(self, projected: Tensor, unit: Tensor, columns: Tensor) -> Tensor:
        """Weights of the vertices in each sliding landmark, for every pose.

        The outermost place is chosen softly, over one percent of the inter-ocular distance, so that the landmark
        glides and does not jump from vertex to vertex.

        Args:
            projected: (B, N, 3) vertices in NDC.
            unit: (B, 2) vector in NDC from the outer corner of the eye at image left (landmark 36) to the other one.
            columns: (10, STEPS, 2) where the vertices of the lines are among the N.

        Returns:
            (B, 10, N) weights of sum 1.
        """
        places = (projected[:, columns, :2] * self.weights[..., None]).sum(-2)
        length = unit.norm(dim=-1)[:, None, None]
        extent = (places * (unit / length[:, 0])[:, None, None]).sum(-1)
        side = torch.where(torch.tensor(SLIDING, device=unit.device) < 8, -1.0, 1.0)[:, None]
        absent = self.weights.sum(-1) == 0
        share = (side * extent / (0.01 * length)).masked_fill(absent, -torch.inf).softmax(-1)
        flat = (share[..., None] * self.weights).flatten(2)
        mix = projected.new_zeros(*flat.shape[:2], projected.shape[1])
        return mix.scatter_add(2, columns.flatten(1).expand_as(flat), flat)


def _line(mesh: Tensor, landmark: Tensor, unit: Tensor) -> tuple[Tensor, Tensor]:
    """Vertices and weights (STEPS, 2) of one line; a place lies between a vertex above and one below its height."""
    step = 0.05 * unit
    offset = mesh - landmark
    outer = mesh[:, 0] * landmark[0].sign() > 0.5 * landmark[0].abs()
    vertices = torch.zeros(STEPS, 2, dtype=torch.int64, device=mesh.device)
    weights = mesh.new_zeros(STEPS, 2)
    for place in range(STEPS):
        near = outer & ((offset[:, 2] - place * step).abs() <= 0.6 * step) & (offset[:, 1].abs() < 0.1 * unit)
        above, below = near & (offset[:, 1] >= 0), near & (offset[:, 1] < 0)
        if not (above.any() and below.any()):
            continue
        pair = [torch.where(half, offset[:, 1].abs(), torch.inf).argmin() for half in (above, below)]
        high, low = (offset[vertex, 1].abs() for vertex in pair)
        vertices[place] = torch.stack(pair)
        weights[place] = torch.stack([low, high]) / (high + low)
    return vertices, weights
