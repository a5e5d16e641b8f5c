"""Training of PWM: `trainer.py` and `config.py` of the released code, the schedule of the paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from reenact.faces.portrait import PortraitPair
from reenact.faces.registry import load_face_model
from reenact.models.common.adversarial import AdversarialOptimisation, AdversarialTraining, head_groups
from reenact.models.common.module import ReenactmentModule
from reenact.models.common.portrait_module import Losses
from reenact.models.pwm.network import PWM, PWMConfig, PWMReenactment, check_widths
from reenact.nn.blocks import DownBlock
from reenact.nn.losses import PYRAMID, ImageLosses, ImageWeights, to_unit
from reenact.nn.resample import warp

PAPER_WIDTHS = (32, 64, 128, 256)
"""`32 * 2^i` for four blocks."""


@dataclass(frozen=True, kw_only=True)
class PWMLosses(ImageWeights):
    """Weights and kinds of the losses; defaults are `config.py` of the released code, whose paper says a hinge."""

    pixel: float = 10.0
    """Mean absolute error of the result."""
    warped: float = 10.0
    """Perceptual distance of the source warped by each level's displacement, summed over levels and layers."""


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


class PatchDiscriminator(nn.Module):
    """Blocks of convolution (kernel 4, padding 2), batch norm, leaky ReLU and pooling; then patch logits."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            DownBlock(channels_in, channels_out, kernel_size=4, padding=2)
            for channels_in, channels_out in zip((3, *widths), widths, strict=False)
        )
        self.out_convs = nn.ModuleList([nn.Conv2d(widths[-1], 1, 4, padding=2)])

    def forward(self, image: Tensor) -> tuple[list[Tensor], Tensor]:
        """Features of every block and logits (B, 1, h, w) of images (B, 3, H, W)."""
        features = []
        for layer in self.layers:
            image = layer(image)
            features.append(image)
        return features, self.out_convs[0](image)


class Discriminator(nn.Module):
    """The released wrapper over scales, which holds one discriminator at full size; names as in its checkpoints."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.discs = nn.ModuleDict({"x1": PatchDiscriminator(widths)})

    def forward(self, image: Tensor) -> tuple[list[Tensor], Tensor]:
        """Features of each layer and the logits of images, as `PatchDiscriminator` gives them."""
        features, logits = self.discs["x1"](image)
        return features, logits


class PWMModule(AdversarialTraining[PWMReenactment], ReenactmentModule):
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
    image_losses: ImageLosses
    optimisation: PWMOptimisation

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
        # The warped source is compared at every level of the network.
        coarsest = max(PYRAMID[-1], 2 ** (len(network.widths) - 2))
        judged = bool(losses.gan or losses.feature_matching)
        self.image_losses = ImageLosses(losses, judged=judged, coarsest=coarsest)

    @property
    def idle_losses(self) -> dict[str, str]:
        """Losses that are weighed and can't be computed, with the reason."""
        idle = super().idle_losses
        if self.losses.warped and self.losses.perceptual == "none":
            idle["warped"] = "perceptual is none"
        return idle

    def generator_groups(self) -> list[dict[str, Any]]:
        """The displacement heads apart from the rest."""
        return head_groups(self.network, ("_flow.",), self.optimisation.generator_lr * self.optimisation.head_lr_factor)

    def generator_losses(self, batch: PortraitPair, result: PWMReenactment) -> Losses:
        """Pixel, perceptual, adversarial and feature terms of the result and of the warped source."""
        real, fake, warped = to_unit(batch.driving.image), to_unit(result.image), to_unit(result.warped)
        levels = _warp_levels(to_unit(batch.source.image), real, result)
        return {
            "pixel": self.losses.pixel * F.l1_loss(fake, real),
            **self.image_losses.compare_images(fake, real),
            **self.image_losses.compare_levels(*levels, "warped", self.losses.warped),
            **self.image_losses.judge(self.discriminator, real, {"": fake, "_warped": warped}),
        }

    def discriminator_losses(self, batch: PortraitPair, result: PWMReenactment) -> Losses:
        """Both fakes against the real image, summed."""
        fakes = {"": to_unit(result.image), "_warped": to_unit(result.warped)}
        return self.image_losses.tell_apart(self.discriminator, to_unit(batch.driving.image), fakes)


def _warp_levels(source: Tensor, real: Tensor, result: PWMReenactment) -> tuple[list[Tensor], list[Tensor]]:
    """The source warped by the displacement of each level, and the driving image at the level's size."""
    warped, targets = [], []
    for displacement in result.displacements:
        size = displacement.shape[-2:]
        warped.append(warp(F.interpolate(source, size, mode="area"), displacement, grid="centres"))
        targets.append(F.interpolate(real, size, mode="area"))
    return warped, targets
