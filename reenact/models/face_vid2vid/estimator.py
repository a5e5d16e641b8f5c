"""The estimator of head pose and expression (`HEEstimator` of the reimplementation; names as in its checkpoints)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from reenact.faces.fields import TensorFields
from reenact.nn.bottleneck import Trunk
from reenact.nn.euler import BINS, Composition, angle_of, rotation_of
from reenact.nn.keypoints import multiply_matrices

PI = 3.14
"""Value of pi in the released conversion to radians, by which the released weights were trained."""


@dataclass
class HeadMotion(TensorFields):
    """Motion of a head's canonical keypoints: `p = R p_c + t + delta`; coordinates as in `reenact.nn.keypoints`."""

    rotation: Tensor
    """(..., 3, 3) rotation R."""
    translation: Tensor
    """(..., 3) translation t."""
    deformation: Tensor
    """(..., K, 3) delta, the expression."""
    composition: Composition = "pitch-yaw-roll"
    """The angles that R is made of, for edits of one of them."""

    def keypoints(self, canonical: Tensor) -> Tensor:
        """Places (..., K, 3) of canonical keypoints (..., K, 3), of leading dimensions that broadcast."""
        turned = multiply_matrices(canonical, self.rotation.mT)
        return turned + self.translation[..., None, :] + self.deformation


@dataclass
class Estimate(TensorFields):
    """Output of the estimator for a portrait."""

    motion: HeadMotion
    angles: Tensor
    """(B, 3) yaw, pitch and roll in degrees."""


class Estimator(Trunk):
    """A trunk with heads for three angles in bins, translation and deformation.

    Args:
        keypoints: K.
        stem: channels after the first convolution.
        widths: channels at strides 4, 8, 16 and 32.
        composition: which angle turns about which axis.
    """

    def __init__(
        self, keypoints: int, stem: int, widths: Sequence[int], composition: Composition = "pitch-yaw-roll"
    ) -> None:
        super().__init__(stem, widths)
        self.composition = composition
        self.fc_roll, self.fc_pitch, self.fc_yaw = (nn.Linear(widths[-1], BINS) for _ in range(3))
        self.fc_t = nn.Linear(widths[-1], 3)
        self.fc_exp = nn.Linear(widths[-1], 3 * keypoints)

    def forward(self, image: Tensor) -> Estimate:
        """Pose and expression of images (B, 3, H, W) in [0, 1]."""
        yaw, pitch, roll, translation, expression = self.heads(image)
        angles = torch.stack([angle_of(logits) for logits in (yaw, pitch, roll)], dim=1)
        deformation = expression.view(len(image), -1, 3)
        rotation = rotation_of(angles * (PI / math.pi), self.composition)
        return Estimate(HeadMotion(rotation, translation, deformation, self.composition), angles)

    def heads(self, image: Tensor) -> tuple[Tensor, ...]:
        """Logits (B, 66) of yaw, pitch and roll; translation (B, 3); deformation (B, 3 K)."""
        x = self.features(image)
        # The released code reads yaw from `fc_roll` and roll from `fc_yaw`; so do its weights.
        return self.fc_roll(x), self.fc_pitch(x), self.fc_yaw(x), self.fc_t(x), self.fc_exp(x)
