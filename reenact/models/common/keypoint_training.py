"""Shared training of keypoint methods: image losses over a pyramid, the discriminator, equivariance."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from reenact.faces.portrait import PortraitPair
from reenact.models.common.adversarial import AdversarialModule, AdversarialOptimisation, head_groups
from reenact.models.common.base import Reenactment, Reenactor
from reenact.models.common.module import Losses, Stage
from reenact.nn.discriminator import MultiScaleDiscriminator
from reenact.nn.keypoints import draw_gaussians
from reenact.nn.losses import GanKind, discriminator_gan, feature_matching, generator_gan
from reenact.nn.perceptual import LEAST_SIDES, PerceptualKind, PerceptualLoss, assets_of
from reenact.nn.resample import AntiAliasDown

PYRAMID = (1, 2, 4, 8)
"""Reductions at which the result is compared (`scales` of every official configuration)."""
HEADS = (".mask.", ".occlusion.")
"""Substrings of the names of the dense motion's last layers."""
VARIANCE = 0.01
"""Variance of the gaussians that a discriminator sees (`kp_variance`, every official configuration)."""


@dataclass(frozen=True, kw_only=True)
class KeypointLosses:
    """Weights of the losses that all keypoint methods have."""

    reconstruction: float = 10.0
    """Perceptual distance of the result, summed over four scales and the network's layers."""
    gan: float = 1.0
    """Adversarial term; without it the discriminator is neither trained nor looked at."""
    gan_kind: GanKind = "ls"
    """Adversarial loss: least squares or hinge."""
    feature_matching: float = 10.0
    """Difference of the discriminator's features, each layer's mean."""
    equivariance: float = 10.0
    """Distance of keypoints from where a warp of the image says they are."""
    perceptual: PerceptualKind = "imagenet"
    """Network of the perceptual term."""


@dataclass(frozen=True, kw_only=True)
class KeypointOptimisation(AdversarialOptimisation):
    """Adam for both networks; defaults are `train.py` of FOMM's code and of Face-vid2vid's reimplementation."""

    beta1: float = 0.5
    head_lr_factor: float = 1.0
    """Factor on the learning rate of the dense motion's mask and occlusion. These convolutions have up to 38,000
    inputs to an output, so Adam's steps of 1e-3 can move their logits by several at once: one keypoint wins
    everywhere, and the others have no gradient any more."""


@dataclass(frozen=True)
class DiscriminatorConfig:
    """Size of the discriminator; defaults are `config/vox-256.yaml` of the first-order motion model."""

    widths: list[int] = field(default_factory=lambda: [64, 128, 256, 512])
    """Channels of its blocks."""
    keypoints: bool = False
    """Show it gaussians of the driving keypoints, and leave out spectral norm (FOMM's `vox-adv-256.yaml`)."""

    def build(self, keypoints: int) -> MultiScaleDiscriminator:
        """The discriminator for a method of so many keypoints."""
        return MultiScaleDiscriminator(self.widths, 3 + keypoints * self.keypoints, spectral=not self.keypoints)


class KeypointModule(AdversarialModule):
    """A keypoint method with its discriminator; a subclass adds the losses of its keypoints.

    Args:
        network: the method's network.
        discriminator: its discriminator's settings.
        keypoints: number of keypoints.
        losses: weights of the shared losses.
        optimisation: learning rates and schedule.
        arguments: as of `ReenactmentModule`.
    """

    discriminator: MultiScaleDiscriminator

    def __init__(
        self,
        network: Reenactor[Any, Any],
        discriminator: DiscriminatorConfig,
        keypoints: int,
        losses: KeypointLosses,
        optimisation: KeypointOptimisation,
        arguments: Mapping[str, object],
    ) -> None:
        super().__init__(network, discriminator.build(keypoints), optimisation, arguments)
        self.shared_losses = losses
        self.head_lr = optimisation.generator_lr * optimisation.head_lr_factor
        self.shows_keypoints = discriminator.keypoints
        self.pyramid = nn.ModuleList(AntiAliasDown(scale) for scale in PYRAMID)
        self._perceptual: PerceptualLoss | None = None

    @abstractmethod
    def driving_points(self, result: Reenactment) -> Tensor:
        """The keypoints (B, K, n) that the result was made with."""

    @abstractmethod
    def keypoint_losses(self, batch: PortraitPair, result: Reenactment) -> Losses:
        """Compute the terms of the keypoints."""

    def setup(self, stage: str) -> None:
        """Load the perceptual network when training is about to start.

        Raises:
            ReenactError: if its weights are missing, or as `check_losses`.
        """
        super().setup(stage)
        if stage == "fit":
            self.check_losses()
        if stage == "fit" and self.shared_losses.perceptual != "none":
            self._perceptual = PerceptualLoss(self.shared_losses.perceptual)

    def assets(self, stage: Stage) -> tuple[str, ...]:
        """Return the names in `reenact.assets` without which training (`fit`) or use of the method can't start."""
        return assets_of(self.shared_losses.perceptual) if stage == "fit" else ()

    @property
    def least_image_size(self) -> int:
        """Side of the smallest images that the perceptual network can read at the coarsest scale."""
        return LEAST_SIDES.get(self.shared_losses.perceptual, 1) * PYRAMID[-1]

    @property
    def idle_losses(self) -> dict[str, str]:
        """Losses that are weighed and can't be computed, with the reason."""
        idle = super().idle_losses
        if self.shared_losses.reconstruction and self.shared_losses.perceptual == "none":
            idle["reconstruction"] = "perceptual is none"
        if self.shared_losses.feature_matching and not self.shared_losses.gan:
            idle["feature_matching"] = "gan is 0, so the discriminator is not trained"
        return idle

    def generator_groups(self) -> list[dict[str, Any]]:
        """The dense motion's heads apart from the rest."""
        return head_groups(self.network, HEADS, self.head_lr)

    def generator_losses(self, batch: PortraitPair, result: Reenactment) -> Losses:
        """Perceptual, adversarial, feature and keypoint terms."""
        real, fake = (batch.driving.image + 1) / 2, (result.image + 1) / 2
        losses: Losses = {}
        if self._perceptual is not None:
            losses["reconstruction"] = self.shared_losses.reconstruction * self._perceptual.pyramid(
                [down(fake) for down in self.pyramid], [down(real) for down in self.pyramid]
            )
        if self.shared_losses.gan:
            losses |= self._adversarial_losses(real, fake, result)
        return losses | self.keypoint_losses(batch, result)

    def discriminator_losses(self, batch: PortraitPair, result: Reenactment) -> Losses:
        """The result against the driving image."""
        if not self.shared_losses.gan:
            return {}
        real, fake = (batch.driving.image + 1) / 2, (result.image + 1) / 2
        _, real_logits = self.discriminator(self._shown(real, result))
        _, fake_logits = self.discriminator(self._shown(fake, result))
        return {"gan": discriminator_gan(real_logits, fake_logits, self.shared_losses.gan_kind)}

    def _adversarial_losses(self, real: Tensor, fake: Tensor, result: Reenactment) -> Losses:
        with torch.no_grad():
            real_features, _ = self.discriminator(self._shown(real, result))
        features, logits = self.discriminator(self._shown(fake, result))
        weights = self.shared_losses
        return {
            "gan": weights.gan * generator_gan(logits, weights.gan_kind),
            "feature_matching": weights.feature_matching * feature_matching(real_features, features),
        }

    def _shown(self, image: Tensor, result: Reenactment) -> Tensor:
        if not self.shows_keypoints:
            return image
        points = self.driving_points(result).detach()[..., :2]
        return torch.cat((image, draw_gaussians(points, image.shape[-2:], VARIANCE)), dim=1)
