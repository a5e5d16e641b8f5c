"""One frame of reference for two clips: a driving face laid over the source's crop, in the source's size."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from reenact.apps.face_clip import FaceClip
from reenact.faces.camera import carry_camera
from reenact.faces.crop import Crop, crop_from_landmarks
from reenact.faces.face_size import face_size
from reenact.faces.model import FaceModel


def share_frame(source: FaceClip, driving: FaceClip, number: int, rule: str) -> FaceClip:
    """The driving clip in a crop in which its reference face lies as the source's first face lies in its own.

    Absolute motion takes cameras as they are, and a crop that spans a clip's motion is larger than a portrait's.
    Clips whose crop follows the face stay as they are, because each frame has the face in the same place; so do clips
    without landmarks.

    Args:
        source: The source.
        driving: T frames.
        number: The driving frame that corresponds to the source.
        rule: How both faces are cut out.
    """
    if source.landmarks is None or driving.landmarks is None or any(crop != driving.crops[0] for crop in driving.crops):
        return driving
    target = _map(
        source.crops[0],
        crop_from_landmarks(source.landmarks[0], rule),
        crop_from_landmarks(driving.landmarks[number], rule),
    )
    params = driving.params
    if params is not None:
        params = replace(params, camera=carry_camera(params.camera, driving.crops[0], target))
    return replace(driving, crops=[target] * len(driving), params=params)


def share_size(source: FaceClip, driving: FaceClip, face_model: FaceModel | None) -> FaceClip:
    """The driving clip with cameras that show the source's shape as large as they showed the driving one's."""
    if face_model is None or source.params is None or driving.params is None:
        return driving
    ratio = face_size(face_model, driving.params.shape) / face_size(face_model, source.params.shape[:1])
    return replace(driving, params=replace(driving.params, camera=_enlarge(driving.params.camera, ratio)))


def _map(crop: Crop, before: Crop, after: Crop) -> Crop:
    """The crop that lies to `after` as `crop` lies to `before`."""
    scale = after.size_in_frame / before.size_in_frame
    left_edge, top = after.left + scale * (crop.left - before.left), after.top + scale * (crop.top - before.top)
    return Crop(left_edge, top, scale * crop.size_in_frame, crop.size)


def _enlarge(camera: Tensor, ratio: Tensor) -> Tensor:
    """Cameras (T, C) that enlarge by ratios (T,); the model's origin stays where it is."""
    grown = camera.clone()
    if camera.shape[-1] == 3:
        grown[:, 0] *= ratio
        grown[:, 1:] /= ratio[:, None]
    else:
        grown[:, :2] *= ratio[:, None]
        grown[:, 4:6] /= ratio[:, None]
    return torch.where((ratio == 1)[:, None], camera, grown)
