"""Training of FOMM: `train.py` and `modules/model.py` of the released code."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from reenact.faces.portrait import PortraitPair
from reenact.models.common.adversarial import AdversarialTraining, head_groups
from reenact.models.common.keypoints import HEADS, DiscriminatorConfig, KeypointOptimisation
from reenact.models.common.module import ReenactmentModule
from reenact.models.common.portrait_module import Losses
from reenact.models.fomm.generator import Keypoints
from reenact.models.fomm.network import FOMM, FOMMConfig, FOMMReenactment
from reenact.nn.discriminator import MultiScaleDiscriminator
from reenact.nn.keypoints import multiply_matrices
from reenact.nn.losses import ImageLosses, ImageWeights, to_unit
from reenact.nn.thin_plate import RandomWarp


@dataclass(frozen=True, kw_only=True)
class FOMMLosses(ImageWeights):
    """Weights of the losses; defaults are `config/vox-adv-256.yaml` of the released code."""

    equivariance: float = 10.0
    """Distance of keypoints from where a warp of the image says they are."""
    equivariance_jacobian: float = 10.0
    """Weight of the equivariance of the Jacobians (eq. 12)."""


class FOMMModule(AdversarialTraining[FOMMReenactment], ReenactmentModule):
    """FOMM with its discriminator, losses and schedule.

    Args:
        network: widths and depths.
        discriminator: its widths, and whether it sees keypoints.
        losses: weights of the losses.
        optimisation: learning rates, milestones, accumulation, clipping.
    """

    method = "fomm"
    network: FOMM
    discriminator: MultiScaleDiscriminator
    image_losses: ImageLosses
    optimisation: KeypointOptimisation

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
        super().__init__(FOMM(network), discriminator.build(network.keypoints), optimisation, arguments)
        self.losses = losses
        self.image_losses = ImageLosses(losses, judged=bool(losses.gan))

    def generator_groups(self) -> list[dict[str, Any]]:
        """The dense motion's heads apart from the rest."""
        return head_groups(self.network, HEADS, self.optimisation.generator_lr * self.optimisation.head_lr_factor)

    def generator_losses(self, batch: PortraitPair, result: FOMMReenactment) -> Losses:
        """Perceptual, adversarial, feature and keypoint terms."""
        real, fake = to_unit(batch.driving.image), to_unit(result.image)
        look = partial(self.discriminator, points=result.keypoints.value)
        return {
            **self.image_losses.compare_images(fake, real),
            **self.image_losses.judge(look, real, {"": fake}),
            **self.keypoint_losses(batch, result),
        }

    def discriminator_losses(self, batch: PortraitPair, result: FOMMReenactment) -> Losses:
        """The result against the driving image."""
        look = partial(self.discriminator, points=result.keypoints.value)
        return self.image_losses.tell_apart(look, to_unit(batch.driving.image), {"": to_unit(result.image)})

    def keypoint_losses(self, batch: PortraitPair, result: FOMMReenactment) -> Losses:
        """Equivariance under a random warp of the driving image."""
        if not (self.losses.equivariance or self.losses.equivariance_jacobian):
            return {}
        image = to_unit(batch.driving.image)
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
