"""Face parameters as one vector, for networks that read them all at once."""

from __future__ import annotations

import torch
from torch import Tensor

from reenact.faces.params import FaceParams
from reenact.faces.rotation import axis_angle_to_matrix, matrix_to_axis_angle


class ParameterVector:
    """The layout: shape, expression, jaw, eyes, and the orthographic camera as (log s, s tx, s ty).

    The rotation of the head is kept apart, as a matrix: root and neck together.

    Args:
        num_shape: Identity coefficients of the face model.
        num_expression: Its expression coefficients.
    """

    def __init__(self, num_shape: int, num_expression: int) -> None:
        edges = [0]
        for size in (num_shape, num_expression, 3, 6, 3):
            edges.append(edges[-1] + size)
        self.shape, self.expression, self.jaw, self.eyes, self.camera = map(slice, edges, edges[1:])
        self._length = edges[-1]

    def __len__(self) -> int:
        """Number of coefficients."""
        return self._length

    def of(self, params: FaceParams) -> Tensor:
        """(B, N) vectors of (B) face parameters with orthographic cameras."""
        scale, shift = params.camera[:, :1], params.camera[:, 1:]
        parts = (params.shape, params.expression, params.jaw_pose, params.eye_pose, scale.log(), scale * shift)
        return torch.cat(parts, 1)

    def to_params(self, vector: Tensor, rotation: Tensor) -> FaceParams:
        """Face parameters of (B, N) vectors and (B, 3, 3) head rotations; the neck is straight."""
        turn = matrix_to_axis_angle(rotation)
        camera = vector[:, self.camera]
        scale = camera[:, :1].exp()
        return FaceParams(
            shape=vector[:, self.shape],
            expression=vector[:, self.expression],
            global_pose=turn,
            neck_pose=torch.zeros_like(turn),
            jaw_pose=vector[:, self.jaw],
            eye_pose=vector[:, self.eyes],
            camera=torch.cat([scale, camera[:, 1:] / scale], 1),
        )


def head_rotation(params: FaceParams) -> Tensor:
    """(..., 3, 3) rotation of the head as a whole: the root joint's and the neck's."""
    return axis_angle_to_matrix(params.global_pose) @ axis_angle_to_matrix(params.neck_pose)
