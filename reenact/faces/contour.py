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
    """(10, STEPS, K) int64 vertices around each place."""
    weights: Tensor
    """(10, STEPS, K) of those vertices, of sum 1; all 0 where a line has no such place."""

    def __init__(self, face_model: FaceModel) -> None:
        lines = [_build_line(face_model, index) for index in SLIDING]
        self.vertices = torch.stack([vertices for vertices, _ in lines])
        self.weights = torch.stack([weights for _, weights in lines])

    def mix(self, projected: Tensor, unit: Tensor, columns: Tensor) -> Tensor:
        """Weights of the vertices in each sliding landmark, for every pose.

        The outermost place is chosen softly, over one percent of the inter-ocular distance, so that the landmark
        glides and does not jump from vertex to vertex.

        Args:
            projected: (B, N, 3) vertices in NDC.
            unit: (B, 2) vector in NDC from the outer corner of the eye at image left (landmark 36) to the other one.
            columns: (10, STEPS, K) where the vertices of the lines are among the N.

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


def _build_line(face_model: FaceModel, index: int) -> tuple[Tensor, Tensor]:
    """Vertices and weights (STEPS, K) of one line: the landmark, then the section of the mesh at its height.

    Among the points at which edges cross that height, the outermost one of every step forward is taken; the inside of
    the mouth and nose is left out by its distance from the middle.
    """
    mesh, faces = face_model.mean_vertices, face_model.faces
    landmarks = face_model.landmarks68(mesh[None])[0]
    landmark, step = landmarks[index], 0.05 * (landmarks[36] - landmarks[45]).norm()
    vertices = face_model.landmark_vertices.new_zeros(STEPS, max(2, face_model.landmark_vertices.shape[1]))
    weights = mesh.new_zeros(vertices.shape)
    columns = face_model.landmark_vertices.shape[1]
    vertices[0, :columns], weights[0, :columns] = (
        face_model.landmark_vertices[index],
        face_model.landmark_weights[index],
    )
    edges = torch.cat([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    height = mesh[edges, 1] - landmark[1]
    edges, height = edges[height.prod(1) < 0], height[height.prod(1) < 0]
    share = height.abs().flip(1) / height.abs().sum(1, keepdim=True)
    places = (mesh[edges] * share[..., None]).sum(1)
    outward = places[:, 0] * landmark[0].sign()
    forward = (places[:, 2] - landmark[2]) / step
    for place in range(1, STEPS):
        near = (forward > place - 0.5) & (forward <= place + 0.5) & (outward > 0.5 * landmark[0].abs())
        if near.any():
            best = torch.where(near, outward, -torch.inf).argmax()
            vertices[place, :2], weights[place, :2] = edges[best], share[best]
    return vertices, weights
