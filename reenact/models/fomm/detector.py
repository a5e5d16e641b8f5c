"""FOMM's keypoint detector (`modules/keypoint_detector.py` of the released code; names as in its checkpoints)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from reenact.faces.fields import TensorFields
from reenact.nn.hourglass import Hourglass
from reenact.nn.keypoints import average_position, spatial_softmax
from reenact.nn.resample import AntiAliasDown

TEMPERATURE = 0.1
"""Temperature of the softmax over positions (every official configuration)."""


@dataclass
class Keypoints(TensorFields):
    """Motion of a portrait in FOMM: keypoints and Jacobians; coordinates as in `reenact.nn.keypoints`."""

    value: Tensor
    """(..., K, 2) positions."""
    jacobian: Tensor
    """(..., K, 2, 2) how the neighbourhood of each is turned and stretched; only ratios `J_s J_d^-1` mean something."""


class KeypointDetector(nn.Module):
    """Heatmaps of an hourglass on the reduced image; positions and Jacobians are expectations under them.

    Args:
        keypoints: K.
        base: width of the hourglass.
        largest: its largest width.
        blocks: its halvings.
        reduction: factor by which the image is made smaller first.
        padding: rows and columns of zeros around the features before the two heads.
    """

    def __init__(self, keypoints: int, base: int, largest: int, blocks: int, reduction: int, padding: int = 0) -> None:
        super().__init__()
        self.down = AntiAliasDown(reduction)
        self.predictor = Hourglass(3, base, largest, blocks)
        self.kp = nn.Conv2d(self.predictor.channels_out, keypoints, 7, padding=padding)
        self.jacobian = nn.Conv2d(self.predictor.channels_out, 4 * keypoints, 7, padding=padding)
        nn.init.zeros_(self.jacobian.weight)
        assert self.jacobian.bias is not None
        with torch.no_grad():
            self.jacobian.bias.copy_(torch.eye(2).flatten().repeat(keypoints))

    def forward(self, image: Tensor) -> Keypoints:
        """Keypoints of images (B, 3, H, W) in [0, 1]."""
        features = self.predictor(self.down(image))
        heatmap = spatial_softmax(self.kp(features), TEMPERATURE)
        maps = self.jacobian(features).float()
        maps = maps.view(*heatmap.shape[:2], 4, *heatmap.shape[2:])
        jacobian = (heatmap.unsqueeze(2) * maps).sum((3, 4)).view(*heatmap.shape[:2], 2, 2)
        return Keypoints(average_position(heatmap), jacobian)
