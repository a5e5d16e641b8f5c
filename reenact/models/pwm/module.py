"""Training of PWM: `trainer.py` and `config.py` of the released code, the schedule of the paper."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reenact.faces.portrait import PortraitPair
from reenact.faces.registry import load_face_model
from reenact.models.common.adversarial import AdversarialModule, AdversarialOptimisation, head_groups
from reenact.models.common.base import Reenactment
from reenact.models.common.module import Losses, Stage
from reenact.models.pwm.discriminator import PAPER_WIDTHS, Discriminator
from reenact.models.pwm.network import PWM, PWMConfig, PWMReenactment, check_widths
from reenact.nn.losses import GanKind, discriminator_gan, feature_matching, generator_gan
from reenact.nn.perceptual import LEAST_SIDES, PerceptualKind, PerceptualLoss, assets_of
from reenact.nn.resample import AntiAliasDown, warp

RECONSTRUCTION_SCALES = (1, 2, 4, 8)
"""Reductions at which the result is compared (`Losses/perceptual.py`)."""


@dataclass(frozen=True, kw_only=True)
class PWMLosses:
    """Weights and kinds of the losses; defaults are `config.py` of the released code."""

    pixel: float = 10.0
    """Mean absolute error of the result."""
    reconstruction: float = 10.0
    """Perceptual distance of the result, summed over four scales and the network's layers."""
    warped: float = 10.0
    """Perceptual distance of the source warped by each level's displacement, summed over levels and layers."""
    feature_matching: float = 10.0
    """Difference of the discriminator's features, of the result and of the warped source."""
    gan: float = 1.0
    """Adversarial term, of the result and of the warped source."""
    gan_kind: GanKind = "ls"
    """The released default; the paper says hinge."""
    perceptual: PerceptualKind = "imagenet"
    """Network of the perceptual terms, or none of them."""


@dataclass(frozen=True)
class DiscriminatorConfig:
    """Size of the discriminator."""

    widths: list[int] = field(default_factory=lambda: list(PAPER_WIDTHS))
    """Channels of its blocks."""

    def __post_init__(self) -> None:
        check_widths("discriminator", self.widths, 1)


@dataclass(frozen=True, kw_only=True)
class PWMOptimisation(AdversarialOptimisation):
    """Adam for both networks; defaults are `config.py` of the released code."""

    head_lr_factor: float = 1.0
    """Factor on the learning rate of the displacement heads. They alone carry no spectral norm, so in a short run
    their weights are what keeps displacements small."""


class PWMModule(AdversarialModule):
    """PWM with its discriminator, losses and schedule.

    Args:
        face_model: the model in which the data's parameters live: `head`, `flame`, `bfm` or the path of a file.
        network: guidance and widths.
        discriminator: widths of the discriminator.
        losses: weights of the losses.
        optimisation: learning rates, milestones, accumulation, clipping.
    """

    method = "pwm"
    network: PWM

    def __init__(
        self,
        face_model: str = "head",
        network: PWMConfig | None = None,
        discriminator: DiscriminatorConfig | None = None,
        losses: PWMLosses | None = None,
        optimisation: PWMOptimisation | None = None,
    ) -> None:
        network = network or PWMConfig()
        discriminator = discriminator or DiscriminatorConfig()
        losses = losses or PWMLosses()
        optimisation = optimisation or PWMOptimisation()
        arguments = {
            "face_model": face_model,
            "network": network,
            "discriminator": discriminator,
            "losses": losses,
            "optimisation": optimisation,
        }
        super().__init__(
            PWM(network, load_face_model(face_model)), Discriminator(discriminator.widths), optimisation, arguments
        )
        self.losses = losses
        self.head_lr = optimisation.generator_lr * optimisation.head_lr_factor
        self.pyramid = nn.ModuleList(AntiAliasDown(scale) for scale in RECONSTRUCTION_SCALES)
        self._perceptual: PerceptualLoss | None = None

    def setup(self, stage: str) -> None:
        """Load the perceptual network when training is about to start.

        Raises:
            ReenactError: if its weights are missing.
        """
        super().setup(stage)
        if stage == "fit" and self.losses.perceptual != "none":
            self._perceptual = PerceptualLoss(self.losses.perceptual)

    def assets(self, stage: Stage) -> tuple[str, ...]:
        """Return the names in `reenact.assets` without which training (`fit`) or use of the method can't start."""
        return assets_of(self.losses.perceptual) if stage == "fit" else ()

    @property
    def least_image_size(self) -> int:
        """Side of the smallest images that the perceptual network can read at the coarsest scale."""
        coarsest: int = max(RECONSTRUCTION_SCALES[-1], 2 ** (len(self.network.config.widths) - 2))
        return LEAST_SIDES.get(self.losses.perceptual, 1) * coarsest

    @property
    def idle_losses(self) -> dict[str, str]:
        """Losses that are weighed and can't be computed, with the reason."""
        if self.losses.perceptual != "none":
            return {}
        weights = {"reconstruction": self.losses.reconstruction, "warped": self.losses.warped}
        return {name: "perceptual is none" for name, weight in weights.items() if weight}

    def generator_groups(self) -> list[dict[str, Any]]:
        """The displacement heads apart from the rest."""
        return head_groups(self.network, ("_flow.",), self.head_lr)

    @property
    def _is_adversarial(self) -> bool:
        return bool(self.losses.gan or self.losses.feature_matching)

    def generator_losses(self, batch: PortraitPair, result: Reenactment) -> Losses:
        """Pixel, perceptual, adversarial and feature terms of the result and of the warped source."""
        assert isinstance(result, PWMReenactment)
        weights = self.losses
        real, fake, warped = _to_unit(batch.driving.image), _to_unit(result.image), _to_unit(result.warped)
        losses = {"pixel": weights.pixel * F.l1_loss(fake, real)}
        if self._perceptual is not None:
            losses["reconstruction"] = weights.reconstruction * self._perceptual.pyramid(
                [down(fake) for down in self.pyramid], [down(real) for down in self.pyramid]
            )
            losses["warped"] = weights.warped * self._warped_loss(_to_unit(batch.source.image), real, result)
        if self._is_adversarial:
            losses |= self._adversarial_losses(real, {"": fake, "_warped": warped})
        return losses

    def discriminator_losses(self, batch: PortraitPair, result: Reenactment) -> Losses:
        """Both fakes against the real image, summed."""
        assert isinstance(result, PWMReenactment)
        if not self._is_adversarial:
            return {}
        kind = self.losses.gan_kind
        _, real = self.discriminator(_to_unit(batch.driving.image))
        terms = {}
        for name, image in (("gan", result.image), ("gan_warped", result.warped)):
            _, fake = self.discriminator(_to_unit(image))
            terms[name] = discriminator_gan(real, fake, kind)
        return terms

    def _adversarial_losses(self, real: Tensor, fakes: dict[str, Tensor]) -> Losses:
        with torch.no_grad():
            real_features, _ = self.discriminator(real)
        losses = {}
        for suffix, fake in fakes.items():
            features, logits = self.discriminator(fake)
            losses[f"gan{suffix}"] = self.losses.gan * generator_gan(logits, self.losses.gan_kind)
            matching = feature_matching(real_features, features)
            losses[f"feature_matching{suffix}"] = self.losses.feature_matching * matching
        return losses

    def _warped_loss(self, source: Tensor, real: Tensor, result: PWMReenactment) -> Tensor:
        assert self._perceptual is not None
        warped, targets = [], []
        for displacement in result.displacements:
            size = displacement.shape[-2:]
            warped.append(warp(F.interpolate(source, size, mode="area"), displacement, grid="centres"))
            targets.append(F.interpolate(real, size, mode="area"))
        return self._perceptual.pyramid(warped, targets)


def _to_unit(image: Tensor) -> Tensor:
    """Map an image from the package's [-1, 1] to the [0, 1] of PWM's networks."""
    return (image + 1) / 2
