"""Crops in which the faces of two clips, and of all their shots, have one place and size."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from reenact.apps.reference import nearest_points
from reenact.faces.camera import carry_camera
from reenact.faces.crop import Crop, crop_from_landmarks
from reenact.faces.face_size import face_size
from reenact.faces.model import FaceModel
from reenact.tracking.face_clip import FaceClip


def align_shots(clip: FaceClip, number: int, rule: str) -> FaceClip:
    """Recrop the shots of a clip so that its face has one place and size in the crops of all.

    The crop of a shot spans the motion in it, so that the same head is small in a lively shot and large in a calm one.
    In each shot, the frame whose face is most like that of frame `number` lies in its new crop as that face does in its
    own. Clips of one shot, clips without landmarks, and clips whose crop follows the face stay as they are.

    Args:
        clip: T frames.
        number: The frame whose crop the others are laid to.
        rule: How its faces are cut out.
    """
    landmarks = clip.landmarks
    if landmarks is None or not clip.cuts or clip.follows:
        return clip
    before = crop_from_landmarks(landmarks[number], rule)
    crops: list[Crop] = []
    for start, end in itertools.pairwise([0, *clip.cuts, len(clip)]):
        if start <= number < end:
            crops += clip.crops[start:end]
            continue
        shows = clip.found[start:end]
        rows = start + np.flatnonzero(shows | (not shows.any()))
        alike = int(rows[nearest_points(landmarks[number], landmarks[rows])])
        crops += [_map_crop(clip.crops[number], before, crop_from_landmarks(landmarks[alike], rule))] * (end - start)
    return _recrop(clip, crops)


def share_frame(source: FaceClip, driving: FaceClip, number: int, rule: str, anchor: int = 0) -> FaceClip:
    """Recrop a driving clip so that its reference face lies in its crop as the source's face lies in its own.

    Absolute motion takes cameras as they are, and a crop that spans a clip's motion is larger than a portrait's. Clips
    without landmarks stay as they are.

    Args:
        source: The source.
        driving: T frames, of aligned shots.
        number: The driving frame that corresponds to the source.
        rule: How both faces are cut out.
        anchor: The frame of the source that it corresponds to.
    """
    if source.landmarks is None or driving.landmarks is None:
        return driving
    target = _map_crop(
        source.crops[anchor],
        crop_from_landmarks(source.landmarks[anchor], rule),
        crop_from_landmarks(driving.landmarks[number], rule),
    )
    return _recrop(driving, [_map_crop(target, driving.crops[number], crop) for crop in driving.crops])


def share_size(source: FaceClip, driving: FaceClip, face_model: FaceModel | None) -> FaceClip:
    """The driving clip with cameras that show the source's shape as large as they showed the driving one's."""
    if face_model is None or source.params is None or driving.params is None:
        return driving
    ratio = face_size(face_model, driving.params.shape) / face_size(face_model, source.params.shape[:1])
    return replace(driving, params=replace(driving.params, camera=_enlarge_cameras(driving.params.camera, ratio)))


def _map_crop(crop: Crop, before: Crop, after: Crop) -> Crop:
    """The crop that lies to `after` as `crop` lies to `before`."""
    scale = after.size_in_frame / before.size_in_frame
    left_edge, top = after.left + scale * (crop.left - before.left), after.top + scale * (crop.top - before.top)
    return Crop(left_edge, top, scale * crop.size_in_frame, crop.size)


def _recrop(clip: FaceClip, crops: list[Crop]) -> FaceClip:
    """Move a clip and its cameras into other crops of its frames."""
    params = clip.params
    if params is not None:
        pairs = zip(params.camera, clip.crops, crops, strict=True)
        params = replace(params, camera=torch.stack([carry_camera(*pair) for pair in pairs]))
    return replace(clip, crops=crops, params=params)


def _enlarge_cameras(camera: Tensor, ratio: Tensor) -> Tensor:
    """Cameras (T, C) that enlarge by ratios (T,); the model's origin stays where it is."""
    grown = camera.clone()
    if camera.shape[-1] == 3:
        grown[:, 0] *= ratio
        grown[:, 1:] /= ratio[:, None]
    else:
        grown[:, :2] *= ratio[:, None]
        grown[:, 4:6] /= ratio[:, None]
    return torch.where((ratio == 1)[:, None], camera, grown)
