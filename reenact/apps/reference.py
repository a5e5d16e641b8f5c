"""The driving frame that corresponds to the source in relative motion."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from reenact.errors import ReenactError
from reenact.faces.model import FaceModel
from reenact.faces.params import FaceParams

CHUNK = 64
"""Faces posed at once."""


def reference_number(which: str, source: FaceParams, driving: FaceParams, face_model: FaceModel) -> int:
    """The number of the reference frame.

    Args:
        which: `first`; `best`, the frame whose head pose and expression are nearest to the source's; or a number.
        source: The source's first face, batch 1.
        driving: The driving faces, batch T.
        face_model: The face model of both.

    Raises:
        ReenactError: if the number is none or no frame has it.
    """
    count = len(driving.shape)
    if which == "first":
        return 0
    if which == "best":
        return _most_alike(source, driving, face_model)
    if not which.isdigit() or int(which) >= count:
        raise ReenactError(
            f"--reference_frame {which}: use first, best, or a frame number of the driving clip from 0 to {count - 1}"
        )
    return int(which)


def _most_alike(source: FaceParams, driving: FaceParams, face_model: FaceModel) -> int:
    """The frame with the smallest mean distance of 3D landmarks, both on the source's shape, the camera left out."""
    target = _landmarks(source, face_model)
    distances = []
    for start in range(0, len(driving.shape), CHUNK):
        chunk = driving[start : start + CHUNK]
        same_person = replace(chunk, shape=source.shape.expand(len(chunk.shape), -1))
        distances.append(torch.linalg.vector_norm(_landmarks(same_person, face_model) - target, dim=-1).mean(-1))
    return int(torch.cat(distances).argmin())


def _landmarks(params: FaceParams, face_model: FaceModel) -> Tensor:
    return face_model.landmarks68(face_model.vertices(params))
