"""The driving frame that corresponds to the source in relative motion."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import ConvexHull
from torch import Tensor

from reenact.errors import ReenactError
from reenact.faces.landmarks import inter_ocular_distance
from reenact.faces.model import FaceModel
from reenact.faces.params import FaceParams
from reenact.faces.vector import MotionVector
from reenact.tracking.face_clip import FaceClip

CHUNK = 64
"""Faces posed at once."""
SAME = 0.05
"""Mean distance of landmarks, in distances of the outer eye corners, below which two pictures are one."""
EXPRESSION_SHARE, ANGLE_SHARE = 0.3, 0.7
"""Weights of expression and angles in PIRenderer's choice of a reference frame."""


def reference_number(
    which: str, source: FaceClip, driving: FaceClip, face_model: FaceModel | None, *, by_coefficients: bool = False
) -> int:
    """The number of the reference frame.

    Args:
        which: `first`; `best`, the frame whose head pose and expression are nearest to those of the source's first
            frame; `auto`, the frame that shows the source itself, else `best` where something is there to compare faces
            by, else `first`; or a number.
        source: The source.
        driving: T driving frames.
        face_model: The face model of both; None where the method is driven by pictures.
        by_coefficients: Face parameters are compared as PIRenderer does, instead of by the landmarks they pose.

    Raises:
        ReenactError: if the number is none or no frame has it, or nothing is known to compare faces by.
    """
    count = len(driving)
    rows = _rows_with_face(driving)
    if which == "first" or (count == 1 and which in ("auto", "best")):
        return int(rows[0])
    comparable = face_model is not None and source.params is not None and driving.params is not None
    if which == "auto" and (same := _same_picture(source, driving)) is not None:
        return same
    if which == "auto" and not comparable and (source.landmarks is None or driving.landmarks is None):
        return int(rows[0])
    if which in ("auto", "best"):
        start = first_found(source)
        if face_model is not None and source.params is not None and driving.params is not None:
            compare = nearest_coefficients if by_coefficients else _most_alike
            first, others = source.params[start : start + 1], driving.params[torch.from_numpy(rows)]
            return int(rows[compare(first, others, face_model)])
        if source.landmarks is None or driving.landmarks is None:
            raise ReenactError("--reference-frame best: no landmarks are known to compare the faces by; give a number")
        return int(rows[nearest_points(source.landmarks[start], driving.landmarks[rows])])
    if not which.isdecimal() or int(which) >= count:
        raise ReenactError(
            f"--reference-frame {which}: use auto, first, best, or a frame number of the driving clip from 0 to"
            f" {count - 1}"
        )
    return int(which)


def anchor_number(which: str, source: FaceClip, driving: FaceClip) -> int:
    """Return the frame of the source that corresponds to the reference frame.

    It is the first that shows the face, which the driving frames are compared with; for a number, the source's frame
    at that time, so that a clip driven by itself stays as it is.

    Args:
        which: as of `reference_number`.
        source: The source.
        driving: The driving clip.
    """
    if not which.isdecimal() or source.fps is None or driving.fps is None:
        return first_found(source)
    middle = (2 * int(which) + 1) / (2 * driving.fps)  # a frame is on display around its middle, as in the time line
    return min(int(middle * source.fps), len(source) - 1)


def first_found(clip: FaceClip) -> int:
    """Return the number of the first frame that shows the face."""
    return int(clip.found.argmax())


def _rows_with_face(clip: FaceClip) -> NDArray[np.intp]:
    """Return the frames that show the face, since others repeat a neighbour's; all where none does."""
    return np.flatnonzero(clip.found if clip.found.any() else np.ones(len(clip), np.bool_))


def _same_picture(source: FaceClip, driving: FaceClip) -> int | None:
    """The driving frame from which the source was taken: its landmarks lie at the same pixels."""
    if source.landmarks is None or driving.landmarks is None:
        return None
    first = source.landmarks[first_found(source)]
    distances = np.linalg.norm(driving.landmarks - first, axis=-1).mean(-1) / inter_ocular_distance(first)
    rows = _rows_with_face(driving)
    nearest = int(rows[distances[rows].argmin()])
    return nearest if distances[nearest] < SAME else None


def _most_alike(source: FaceParams, driving: FaceParams, face_model: FaceModel) -> int:
    """The frame with the smallest mean distance of 3D landmarks, both on the source's shape, the camera left out."""
    target = _pose_landmarks(source, face_model)
    distances = []
    for start in range(0, len(driving.shape), CHUNK):
        chunk = driving[start : start + CHUNK]
        same_person = replace(chunk, shape=source.shape.expand(len(chunk.shape), -1))
        distances.append(torch.linalg.vector_norm(_pose_landmarks(same_person, face_model) - target, dim=-1).mean(-1))
    return int(torch.cat(distances).argmin())


def nearest_coefficients(source: FaceParams, driving: FaceParams, face_model: FaceModel) -> int:
    """Return the number of the driving frame (T, ...) whose coefficients are nearest to the source's (1, ...).

    It is `find_crop_norm_ratio` of PIRenderer's released code: 0.3 times the mean absolute difference of the expression
    coefficients and 0.7 times that of the angles in radians, which are those of every joint of the face model.
    """
    vector = MotionVector(face_model)
    difference = (vector.of(driving) - vector.of(source)).abs()
    expression, angles = (difference[:, part].mean(-1) for part in (vector.expression, vector.angles))
    return int((EXPRESSION_SHARE * expression + ANGLE_SHARE * angles).argmin())


def _pose_landmarks(params: FaceParams, face_model: FaceModel) -> Tensor:
    return face_model.landmarks68(face_model.vertices(params))


def nearest_points(source: NDArray[np.floating[Any]], driving: NDArray[np.floating[Any]]) -> int:
    """Return the number of the frame of (T, 68, 2) nearest to (68, 2), centred and of the same hull.

    It is FOMM's `find_best_frame`.
    """
    target = _normalise_points(source)
    return int(np.argmin([np.square(_normalise_points(points) - target).sum() for points in driving]))


def _normalise_points(points: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    centred = points - points.mean(0)
    size: NDArray[np.float64] = centred / np.sqrt(ConvexHull(centred).volume)  # in the plane its area
    return size
