"""Differences of pose between the faces of a pair, by which figures sort its results."""

from __future__ import annotations

import torch
from torch import Tensor

from reenact.faces.model import FaceModel
from reenact.faces.portrait import PortraitPair


def measure_pose_differences(face_model: FaceModel, pair: PortraitPair) -> dict[str, Tensor]:
    """Measure how far the heads of source and driving frames are turned from each other, in degrees.

    Args:
        face_model: The model that the face parameters of the pair belong to.
        pair: B pairs of pictures, or of a picture and a clip of T frames.

    Returns:
        `pose_difference`, the angle of the rotation between the two skulls, in [0, 180], and `yaw_difference`, the
        absolute difference of their turns about the vertical axis, in [0, 180]: (B,) or (B * T,), in the order of
        `metrics.suite.scene_of`.
    """
    assert pair.source.params is not None
    assert pair.driving.params is not None
    source, driving = (
        face_model.skull(part)[..., :3, :3].double() for part in (pair.source.params, pair.driving.params)
    )
    if driving.ndim == 4:
        source, driving = source[:, None].expand_as(driving).flatten(0, 1), driving.flatten(0, 1)
    trace = (source * driving).sum((-2, -1))
    turns = [torch.atan2(rotation[:, 0, 2], rotation[:, 2, 2]) for rotation in (source, driving)]
    yaw = torch.remainder(turns[1] - turns[0] + torch.pi, 2 * torch.pi) - torch.pi
    angle = torch.arccos(((trace - 1) / 2).clamp(-1, 1))
    return {"pose_difference": angle.rad2deg(), "yaw_difference": yaw.abs().rad2deg()}
