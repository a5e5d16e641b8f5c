"""Training of FOMM: `train.py` and `modules/model.py` of the released code."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from reenact.faces.portrait import PortraitPair
from reenact.models.common.base import Reenactment
from reenact.models.common.keypoint_training import (
    DiscriminatorConfig,
    KeypointLosses,
    KeypointModule,
    KeypointOptimisation,
)
from reenact.models.common.module import Losses
from reenact.models.fomm.detector import Keypoints
from reenact.models.fomm.network import FOMM, FOMMConfig, FOMMReenactment
from reenact.nn.keypoints import multiply_matrices
from reenact.nn.thin_plate import RandomWarp


@dataclass(frozen=True, kw_only=True)
class FOMMLosses(KeypointLosses):
    """Weights of the losses; defaults are `config/vox-adv-256.yaml` of the released code."""

    equivariance_jacobian: float = 10.0
    """Weight of the equivariance of the Jacobians (eq. 12)."""


class FOMMModule(KeypointModule):
    """FOMM with its discriminator, losses and schedule.

    Args:
        network: widths and depths.
        discriminator: its widths, and whether it sees keypoints.
        losses: weights of the losses.
        optimisation: learning rates, milestones, accumulation, clipping.
    """

    method = "fomm"
    network: FOMM

    def __init__(
        self,
        network: FOMMConfig | None = None,
        discriminator: DiscriminatorConfig | None = None,
        losses: FOMMLosses | None = None,
        optimisation: KeypointOptimisation | None = None,
    ) -> None:
        network = network or FOMMConfig()
        discriminator = discriminator or DiscriminatorConfig()
        losses = losses or FOMMLosses()
        optimisation = optimisation or KeypointOptimisation()
        arguments = {
            "network": network,
            "discriminator": discriminator,
            "losses": losses,
            "optimisation": optimisation,
        }
        super().__init__(FOMM(network), discriminator, network.keypoints, losses, optimisation, arguments)
        self.losses = losses

    def driving_points(self, result: Reenactment) -> Tensor:
        """The driving keypoints."""
        assert isinstance(result, FOMMReenactment)
        return result.keypoints.value

    def keypoint_losses(self, batch: PortraitPair, result: Reenactment) -> Losses:
        """Equivariance under a random warp of the driving image."""
        assert isinstance(result, FOMMReenactment)
        if not (self.losses.equivariance or self.losses.equivariance_jacobian):
            return {}
        image = (batch.driving.image + 1) / 2
        warp = RandomWarp.draw(image, self.random())
        value, jacobian = compute_equivariance(result.keypoints, self.network.detector(warp.frame(image)), warp)
        return {
            "equivariance": self.losses.equivariance * value,
            "equivariance_jacobian": self.losses.equivariance_jacobian * jacobian,
        }


def compute_equivariance(driving: Keypoints, warped: Keypoints, warp: RandomWarp) -> tuple[Tensor, Tensor]:
    """Measure the distance of keypoints of a warped image from the image's warped keypoints (eq. 9 to 12).

    Args:
        driving: of the image.
        warped: of `warp.frame(image)`.
        warp: maps places of the warped image to the image's.

    Returns:
        Unweighted mean absolute differences of the places, and of `J_d^-1 T'(p') J'` from the identity.
    """
    value = F.l1_loss(warp.points(warped.value), driving.value)
    change = multiply_matrices(warp.jacobian(warped.value), warped.jacobian)
    eye = torch.eye(2, device=change.device, dtype=change.dtype)
    return value, (eye - multiply_matrices(torch.linalg.inv(driving.jacobian), change)).abs().mean()
