"""Losses that two or more methods use: of images, by a fixed network and by a discriminator, and of keypoints."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from reenact.errors import ReenactError
from reenact.nn.frozen import Frozen
from reenact.nn.perceptual import FEATURES, LEAST_SIDES, PerceptualKind, assets_of
from reenact.nn.resample import AntiAliasDown
from reenact.nn.style import compare_scales

GanKind = Literal["ls", "hinge"]
"""Least squares (Mao et al. 2017) or hinge (Lim and Ye 2017)."""
Discriminator = Callable[[Tensor], tuple[list[Tensor], Tensor]]
"""Function from images (B, 3, H, W) in [0, 1] to the features of each layer and to logits."""
PYRAMID = (1, 2, 4, 8)
"""Reductions at which results are compared (`Losses/perceptual.py` of PWM, `scales` of FOMM and Face-vid2vid)."""
APART = 0.1
"""Squared distance below which keypoints repel each other (D_t)."""
DEPTH = 0.33
"""Mean depth of the keypoints (z_t)."""


@dataclass(frozen=True, kw_only=True)
class ImageWeights:
    """Weights of the losses of images."""

    reconstruction: float = 10.0
    """Perceptual distance of the result, summed over four scales and the network's layers."""
    gan: float = 1.0
    """Adversarial term."""
    gan_kind: GanKind = "ls"
    """Adversarial loss: least squares or hinge."""
    feature_matching: float = 10.0
    """Difference of the discriminator's features, each layer's mean."""
    perceptual: PerceptualKind = "imagenet"
    """Network of the perceptual terms, or none of them."""


@dataclass(frozen=True, kw_only=True)
class PlainWeights:
    """Weights of methods that compare images by a fixed network alone, without a discriminator."""

    pixel: float = 0.0
    """Mean absolute error of the result, where no paper has it."""
    perceptual: PerceptualKind = "imagenet"
    """Network of the perceptual terms, or none of them."""
    both_directions: bool = True
    """Drive each picture of a pair by the other, which doubles the batch."""

    def check_terms(self) -> None:
        """Raise `ReenactError` where nothing would be minimised."""
        if self.perceptual == "none" and not self.pixel:
            raise ReenactError("--model.losses.perceptual none leaves no loss: set --model.losses.pixel 1")


class PerceptualTerms:
    """Perceptual terms of images (B, 3, H, W) in [0, 1] by a fixed network.

    Not a module: nothing of it is in a checkpoint.

    Args:
        kind: network that the images are compared by.
        coarsest: largest reduction at which it reads them.
    """

    def __init__(self, kind: PerceptualKind, coarsest: int = PYRAMID[-1]) -> None:
        self.kind = kind
        self._coarsest = coarsest
        self._perceptual: PerceptualLoss | None = None

    @property
    def assets(self) -> tuple[str, ...]:
        """Names in `reenact.assets` of the files that the perceptual network needs."""
        return assets_of(self.kind)

    @property
    def least_image_size(self) -> int:
        """Side of the smallest images that the perceptual network can read at the coarsest scale."""
        return LEAST_SIDES.get(self.kind, 1) * self._coarsest

    @property
    def idle(self) -> dict[str, str]:
        """Terms that are weighed and can't be computed, with the reason."""
        return {}

    def load(self) -> None:
        """Load the perceptual network, if there is one.

        Raises:
            ReenactError: if its weights are missing or damaged.
        """
        if self.kind != "none":
            self._perceptual = PerceptualLoss(self.kind)

    def compare_scales(
        self, fake: Tensor, real: Tensor, name: str, *, weight: float, style_weight: float = 0.0
    ) -> dict[str, Tensor]:
        """Return PIRenderer's terms by name, content and style; none without a network.

        Args:
            fake: the result.
            real: the driving image.
            name: of the content term; the style term has `_style` behind it.
            weight: of the content, summed over layers and over the scales of `PYRAMID`.
            style_weight: of the style, summed over layers; 0 leaves it out.
        """
        if self._perceptual is None:
            return {}
        content, style = self._perceptual.compare_scales(fake, real, len(PYRAMID), with_style=style_weight > 0)
        terms = {name: weight * content}
        return terms if style is None else terms | {f"{name}_style": style_weight * style}


class ImageLosses(PerceptualTerms):
    """Perceptual, adversarial and feature terms of images (B, 3, H, W) in [0, 1], with their weights.

    Args:
        weights: of the terms.
        judged: True where a discriminator is trained and looked at.
        coarsest: as of `PerceptualTerms`.
    """

    def __init__(self, weights: ImageWeights, *, judged: bool, coarsest: int = PYRAMID[-1]) -> None:
        super().__init__(weights.perceptual, coarsest)
        self.weights = weights
        self.judged = judged
        self._pyramid = {factor: AntiAliasDown(factor) for factor in PYRAMID}

    @property
    def idle(self) -> dict[str, str]:
        """Terms that are weighed and can't be computed, with the reason."""
        idle = {}
        if self.weights.reconstruction and self.kind == "none":
            idle["reconstruction"] = "perceptual is none"
        if self.weights.feature_matching and not self.judged:
            idle["feature_matching"] = "gan is 0, so the discriminator is not trained"
        return idle

    def compare_images(
        self, fake: Tensor, real: Tensor, name: str = "reconstruction", least_side: int = 1
    ) -> dict[str, Tensor]:
        """Return the perceptual term of a result over the pyramid, by its name; none without a network.

        Args:
            fake: the result.
            real: the driving image.
            name: of the term.
            least_side: side in pixels below which no image is reduced.
        """
        if self._perceptual is None:
            return {}
        side = fake.shape[-1]
        factors = [factor for factor in PYRAMID if factor == 1 or side // factor >= least_side]
        levels = [self._pyramid[factor].to(fake.device) for factor in factors]
        return self.compare_levels([down(fake) for down in levels], [down(real) for down in levels], name)

    def compare_levels(
        self, fakes: Sequence[Tensor], reals: Sequence[Tensor], name: str, weight: float | None = None
    ) -> dict[str, Tensor]:
        """Return the perceptual term of images of several sizes, by its name; the weight is the reconstruction's."""
        if self._perceptual is None:
            return {}
        weight = self.weights.reconstruction if weight is None else weight
        return {name: weight * self._perceptual.pyramid(fakes, reals)}

    def judge(self, discriminator: Discriminator, real: Tensor, fakes: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the generator's adversarial and feature terms.

        Args:
            discriminator: trained against the generator.
            real: the driving image.
            fakes: images of the generator by the suffix of their terms' names.
        """
        if not self.judged:
            return {}
        with torch.no_grad():
            real_features, _ = discriminator(real)
        losses = {}
        for suffix, fake in fakes.items():
            features, logits = discriminator(fake)
            losses[f"gan{suffix}"] = self.weights.gan * generator_gan(logits, self.weights.gan_kind)
            matching = feature_matching(real_features, features)
            losses[f"feature_matching{suffix}"] = self.weights.feature_matching * matching
        return losses

    def tell_apart(self, discriminator: Discriminator, real: Tensor, fakes: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the discriminator's terms of the driving image against each fake; arguments as of `judge`."""
        if not self.judged:
            return {}
        _, logits = discriminator(real)
        return {
            f"gan{suffix}": discriminator_gan(logits, discriminator(fake)[1], self.weights.gan_kind)
            for suffix, fake in fakes.items()
        }


class PerceptualLoss:
    """Distances in the layers of a fixed network, summed over layers with the network's weights.

    The network is a `Frozen` one: in no checkpoint and no optimiser of the module that uses it.
    """

    def __init__(self, kind: PerceptualKind) -> None:
        """Load the network.

        Raises:
            ReenactError: if its weights are not on this machine, or damaged.
        """
        self.kind = kind
        self._frozen = Frozen(FEATURES[kind])
        self._frozen.load()

    def distance(self, fake: Tensor, real: Tensor) -> Tensor:
        """Weighted sum over layers of the mean absolute difference of images (B, 3, H, W) in [0, 1]."""
        network = self._frozen.follow(fake)
        with torch.no_grad():
            targets = network(real)
        layers = zip(network.weights, network(fake), targets, strict=True)
        terms = [weight * F.l1_loss(a, b) for weight, a, b in layers]
        return sum(terms[1:], start=terms[0])

    def pyramid(self, fakes: Sequence[Tensor], reals: Sequence[Tensor]) -> Tensor:
        """Sum of the distances over the levels of a pyramid."""
        terms = [self.distance(fake, real) for fake, real in zip(fakes, reals, strict=True)]
        return sum(terms[1:], start=terms[0])

    def compare_scales(
        self, fake: Tensor, real: Tensor, scales: int, *, with_style: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Content and style of images (B, 3, H, W) in [0, 1] by `reenact.nn.style.compare_scales`."""
        network = self._frozen.follow(fake)
        return compare_scales(network, network.weights, fake, real, scales, with_style=with_style)


def generator_gan(fake: Tensor, kind: GanKind) -> Tensor:
    """Compute the generator's loss from the logits of its images: `mean (1 - D)^2` or `-mean D`."""
    return (1 - fake).square().mean() if kind == "ls" else -fake.mean()


def discriminator_gan(real: Tensor, fake: Tensor, kind: GanKind) -> Tensor:
    """Compute the discriminator's loss: `mean (1 - real)^2 + fake^2` or `mean relu(1 - real) + relu(1 + fake)`."""
    if kind == "ls":
        return (1 - real).square().mean() + fake.square().mean()
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


def feature_matching(real: Sequence[Tensor], fake: Sequence[Tensor]) -> Tensor:
    """Sum over layers of the mean absolute difference; the real features give no gradient."""
    terms = [F.l1_loss(fake_layer, real_layer.detach()) for real_layer, fake_layer in zip(real, fake, strict=True)]
    return sum(terms[1:], start=terms[0])


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


def to_unit(image: Tensor) -> Tensor:
    """Map images from the package's [-1, 1] to the [0, 1] of published networks."""
    return (image + 1) / 2
