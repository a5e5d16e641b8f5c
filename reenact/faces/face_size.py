"""The size of a face by its shape coefficients, relative to the mean face of its face model.

An orthographic camera cannot tell a large head from a near one, so size and camera scale are one unknown. Fitting
fixes this size; transfer between two people divides it out where a network estimated it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from reenact.faces.model import FaceModel

RIGID = slice(17, 48)
"""Landmarks of brows, nose and eyes, which neither the jaw nor the detector's jaw line moves."""


def size_by_shape(face_model: FaceModel) -> Tensor:
    """Growth (S,) of the face by a unit of each shape coefficient, as a fraction of the mean face's size.

    The size is that of the landmarks from brows to nose, projected on those of the mean face (Procrustes), so it is
    linear in the coefficients.
    """
    vertices, columns = torch.unique(face_model.landmark_vertices[RIGID], return_inverse=True)
    params = face_model.neutral(face_model.num_shape + 1)
    params.shape[1:] = torch.eye(face_model.num_shape).to(params.shape)
    corners = face_model.vertices(params, vertices)[:, columns]
    points = (corners * face_model.landmark_weights[RIGID, :, None]).sum(-2)
    points = points - points.mean(1, keepdim=True)
    mean = points[0]
    return ((points[1:] - mean) * mean).sum((1, 2)) / mean.square().sum()


def face_size(face_model: FaceModel, shape: Tensor) -> Tensor:
    """Sizes (B,) of faces with shape coefficients (B, S); 1 is the mean face."""
    return 1 + shape @ size_by_shape(face_model)[: shape.shape[-1]]
