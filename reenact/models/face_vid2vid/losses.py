"""Losses on Face-vid2vid's keypoints (appendix A.2 of the paper; `modules/model.py` of the reimplementation)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

APART = 0.1
"""Squared distance below which keypoints repel each other (D_t)."""
DEPTH = 0.33
"""Mean depth of the keypoints (z_t)."""


def keypoint_prior(points: Tensor) -> tuple[Tensor, Tensor]:
    """Measure the crowding of keypoints (B, K, 3), and the distance of their mean depth from `DEPTH`, unweighted.

    The first sums `max(0, D_t - |p_i - p_j|^2)` over ordered pairs of different keypoints. The reimplementation sums
    over equal ones, too: K D_t more, without a gradient.
    """
    squared = (points[:, :, None] - points[:, None]).square().sum(-1)
    crowded = F.relu(APART - squared)
    diagonal = torch.eye(points.shape[1], device=points.device, dtype=torch.bool)
    distance = crowded.masked_fill(diagonal, 0.0).sum((1, 2)).mean()
    return distance, (points[..., 2].mean(1) - DEPTH).abs().mean()


def deformation_prior(deformation: Tensor) -> Tensor:
    """L1 norm of deformations (B, K, 3), the mean over the batch."""
    return deformation.abs().sum((1, 2)).mean()


def head_pose_error(angles: Tensor, target: Tensor) -> Tensor:
    """Sum over yaw, pitch and roll (B, 3) in degrees of the mean absolute difference."""
    return (angles - target).abs().mean(0).sum()
