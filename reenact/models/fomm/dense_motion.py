"""FOMM's dense motion (`modules/dense_motion.py` of the released code; names as in its checkpoints)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from reenact.faces.fields import TensorFields
from reenact.models.fomm.detector import Keypoints
from reenact.nn.hourglass import Hourglass
from reenact.nn.keypoints import draw_gaussians, multiply_matrices, sparse_motions
from reenact.nn.resample import AntiAliasDown, sample_image

VARIANCE = 0.01
"""Variance of the gaussians around keypoints (`kp_variance`, every official configuration)."""


@dataclass
class DenseMotion(TensorFields):
    """A backward flow and what of the source it can't show."""

    position: Tensor
    """(B, h, w, 2) where each driving pixel lies in the source, as `reenact.nn.resample.sample_image` takes it."""
    mask: Tensor
    """(B, K + 1, h, w) weights of the keypoints' motions, the first that of standing still."""
    occlusion: Tensor
    """(B, 1, h, w) in [0, 1]; 1 where the source shows it."""


class DenseMotionNetwork(nn.Module):
    """Weighs the local motions of all keypoints (eq. 3 to 5), and predicts occlusion.

    Args:
        keypoints: K.
        base: width of the hourglass.
        largest: its largest width.
        blocks: its halvings.
        reduction: factor by which the image is made smaller first.
    """

    def __init__(self, keypoints: int, base: int, largest: int, blocks: int, reduction: int) -> None:
        super().__init__()
        self.down = AntiAliasDown(reduction)
        self.hourglass = Hourglass((keypoints + 1) * 4, base, largest, blocks)
        self.mask = nn.Conv2d(self.hourglass.channels_out, keypoints + 1, 7, padding=3)
        self.occlusion = nn.Conv2d(self.hourglass.channels_out, 1, 7, padding=3)

    def forward(self, reduced: Tensor, source: Keypoints, driving: Keypoints) -> DenseMotion:
        """The motion from the source to every driving set of keypoints.

        Args:
            reduced: `down` of the source image, (B, 3, h, w), or of batch 1.
            source: its keypoints.
            driving: B sets of keypoints.
        """
        sizes = reduced.shape[-2:]
        jacobian = multiply_matrices(source.jacobian, torch.linalg.inv(driving.jacobian))
        motions = sparse_motions(source.value, driving.value, sizes, jacobian)
        batch, slots = motions.shape[:2]
        heat = draw_gaussians(driving.value, sizes, VARIANCE) - draw_gaussians(source.value, sizes, VARIANCE)
        heat = torch.cat((torch.zeros_like(heat[:, :1]), heat), dim=1)
        images = reduced.expand(batch, -1, -1, -1).repeat_interleave(slots, dim=0)
        moved = sample_image(images, motions.flatten(0, 1)).view(batch, slots, 3, *sizes)
        features = self.hourglass(torch.cat((heat.unsqueeze(2), moved), dim=2).flatten(1, 2))
        mask = torch.softmax(self.mask(features), dim=1)
        position = (mask.unsqueeze(-1) * motions).sum(1)
        return DenseMotion(position, mask, torch.sigmoid(self.occlusion(features)))
