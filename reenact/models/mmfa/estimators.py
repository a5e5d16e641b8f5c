"""MMFA's sizes and estimators: scale and translation, the expression feature, its deformation (section 3.1)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reenact.models.common.volume import VolumeConfig
from reenact.nn.blocks import DownBlock, SameBlock
from reenact.nn.bottleneck import ResBottleneck, Trunk
from reenact.nn.head_pose import PoseKind
from reenact.nn.keypoints import average_position, spatial_softmax

START = math.log(math.e - 1)
"""softplus of it is 1, the scale that training starts from."""
TEMPERATURE = 0.1
"""Temperature of the softmax over positions of heat maps, equal to the keypoints'."""
EstimatorKind = Literal["pooled", "maps"]
"""Features that an estimator reads: pooled ones, as the published networks do, or the centres of mass of learned maps,
which know places without having to learn them."""
JacobianKind = Literal["none", "rotation", "exact"]
"""Change of a keypoint's neighbourhood besides its motion: none (as Face-vid2vid's reimplementation), rotation (its
paper), or rotation and scale as eq. (5) implies."""


class AffineEstimator(Trunk):
    """Scale f > 0 and translation t of a head in the picture.

    The paper says "similar to Face-vid2vid" and gives no layers: its trunk, with zero-initialised heads, so that
    training starts from f = 1 and t = 0. It does not see the expression feature, which is made invariant to f and t.

    Args:
        stem: channels after the first convolution.
        widths: channels at strides 4, 8, 16 and 32.
    """

    def __init__(self, stem: int, widths: Sequence[int]) -> None:
        super().__init__(stem, widths)
        self.scale, self.translation = _build_heads(widths[-1])

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Scale (B, 1) and translation (B, 2), right and down in [-1, 1] units, of images (B, 3, H, W) in [0, 1]."""
        features = self.features(image)
        return F.softplus(self.scale(features).float() + START), self.translation(features).float()


class LearnedMaps(nn.Module):
    """Centres of mass of learned maps of an image.

    Args:
        widths: channels at strides 2, 4 and so on.
        maps: their number.
        last: further convolutions at the coarsest stride.
    """

    def __init__(self, widths: Sequence[int], maps: int, last: int = 0) -> None:
        super().__init__()
        self.blocks = nn.Sequential()
        for inside, outside in pairwise((3, *widths)):
            self.blocks.extend((DownBlock(inside, outside, slope=0.0), SameBlock(outside, outside, slope=0.0)))
        self.blocks.extend(SameBlock(widths[-1], widths[-1], slope=0.0) for _ in range(last))
        self.maps = nn.Conv2d(widths[-1], maps, 1)

    def places(self, image: Tensor) -> Tensor:
        """Centres (B, maps, 2), right and down in [-1, 1], in images (B, 3, H, W) in [0, 1]."""
        # Mixed precision would round logits, which the temperature makes ten times as large.
        with torch.autocast(image.device.type, enabled=False):
            return average_position(spatial_softmax(self.maps(self.blocks(image.float())), TEMPERATURE))


class AffineMaps(LearnedMaps):
    """Scale f > 0 and translation t of a head, read from where learned maps have their centres of mass.

    Ours, for short training: positions are there from the first step, while pooled features must learn them first. On
    64 pixel pictures of the synthetic world, told the truth for 800 steps of 8, it reaches correlations of 0.8 with
    f, 0.8 and 0.5 with t, on people it has not seen; the pooled estimator 0.35, 0.4 and 0.1.

    Args:
        widths: channels at strides 2, 4 and so on.
        maps: their number.
    """

    def __init__(self, widths: Sequence[int], maps: int = 16) -> None:
        super().__init__(widths, maps)
        self.scale, self.translation = _build_heads(2 * maps)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Scale (B, 1) and translation (B, 2) of images (B, 3, H, W), as `AffineEstimator` gives them."""
        places = self.places(image).flatten(1)
        return F.softplus(self.scale(places).float() + START), self.translation(places).float()


def _build_heads(features: int) -> tuple[nn.Linear, nn.Linear]:
    """Build the last layers of scale and translation, zero at first: f = 1 and t = 0."""
    heads = nn.Linear(features, 1), nn.Linear(features, 2)
    for head in heads:
        nn.init.zeros_(head.weight)
        nn.init.zeros_(head.bias)
    return heads


class ExpressionEncoder(nn.Module):
    """E_e: a feature of the expression in a portrait (layer widths are not in the paper).

    Args:
        widths: channels at strides 4, 8, 16, 32 and 64.
        size: length of the feature.
        side: height and width of the last map, of 16 channels: the image's side / 64.
    """

    def __init__(self, widths: Sequence[int], size: int, side: int) -> None:
        super().__init__()
        self.side = side
        self.first = nn.Conv2d(3, widths[0], 7, stride=2, padding=3)
        self.blocks = nn.Sequential()
        for inside, outside in pairwise(widths):
            self.blocks.append(ResBottleneck(inside, outside, 2))
            if outside != inside:
                self.blocks.append(ResBottleneck(outside, outside))
        self.last = nn.Conv2d(widths[-1], 16, 1)
        self.out = nn.Linear(16 * side * side, size)

    def forward(self, image: Tensor) -> Tensor:
        """Features (B, size) of images (B, 3, H, W) in [0, 1]."""
        x = F.max_pool2d(F.relu(self.first(image)), 3, stride=2, padding=1)
        maps = F.adaptive_avg_pool2d(self.last(self.blocks(x)), self.side)
        feature: Tensor = self.out(maps.flatten(1)).float()
        return feature


class ExpressionMaps(LearnedMaps):
    """E_e as a linear reading of where learned maps have their centres of mass.

    They are taken around their middle and in units of their spread, so that a face's place and size matter less. Ours,
    for short training. Taught the opening of the lips on 64 pixel pictures of the synthetic world, it tells it of
    people it has not seen with correlation 0.7 after 150 steps of 16; `ExpressionEncoder` after 600.

    Args:
        widths: channels at strides 2, 4 and so on.
        size: length of the feature; each number has mean 0 and variance 1 over the pictures of training.
        maps: their number.
    """

    def __init__(self, widths: Sequence[int], size: int, maps: int = 32) -> None:
        super().__init__(widths, maps, last=1)
        self.out = nn.Linear(2 * maps, size, bias=False)
        self.norm = nn.BatchNorm1d(size, affine=False)

    def forward(self, image: Tensor) -> Tensor:
        """Expression feature (B, E) of images (B, 3, H, W), as `ExpressionEncoder` gives it."""
        places = self.places(image)
        around = places - places.mean(1, keepdim=True)
        # Flat maps all have their centre in the middle.
        spread = around.square().sum(-1).mean(1).sqrt() + 1e-3
        feature: Tensor = self.norm(self.out((around / spread.view(-1, 1, 1)).flatten(1)).float())
        return feature


class ExpressionDecoder(nn.Module):
    """D_e (eq. 4): the deformation of canonical keypoints that an expression means for a person.

    Args:
        size: length of the expression feature.
        keypoints: K.
        hidden: widths of the hidden layers.
    """

    def __init__(self, size: int, keypoints: int, hidden: Sequence[int]) -> None:
        super().__init__()
        self.layers = nn.Sequential()
        for inside, outside in zip((size + 3 * keypoints, *hidden), hidden, strict=False):
            self.layers.extend((nn.Linear(inside, outside), nn.BatchNorm1d(outside), nn.ReLU()))
        last = nn.Linear(hidden[-1], 3 * keypoints)
        nn.init.normal_(last.weight, std=1e-3)
        nn.init.zeros_(last.bias)
        self.layers.append(last)

    def forward(self, expression: Tensor, canonical: Tensor) -> Tensor:
        """Deformations (B, K, 3) of features (B, size) and canonical keypoints (B, K, 3), of batch B or 1."""
        canonical = canonical.expand(len(expression), -1, -1)
        deformation: Tensor = self.layers(torch.cat((expression, canonical.flatten(1)), dim=1)).float()
        return deformation.view(canonical.shape)


@dataclass(frozen=True, kw_only=True)
class MMFAConfig(VolumeConfig):
    """Sizes of the network; where the paper says nothing, defaults are the choices in docs/methods/mmfa.md."""

    pose: PoseKind = "hopenet"
    """Network that tells the rotation: the paper's Hopenet, or the shipped probe on the synthetic world."""
    jacobian: JacobianKind = "exact"
    """Jacobians of the keypoints' motions."""
    affine: EstimatorKind = "pooled"
    """Kind of the estimator of scale and translation."""
    stem: int = 64
    """Channels of the pooled affine estimator's first convolution."""
    affine_widths: list[int] = field(default_factory=lambda: [256, 512, 1024, 2048])
    """Channels of the affine estimator: pooled, at strides 4, 8, 16 and 32; of maps, at strides 2, 4 and so on."""
    expression: int = 256
    """Length of the expression feature."""
    encoder: EstimatorKind = "pooled"
    """Kind of the expression encoder."""
    encoder_widths: list[int] = field(default_factory=lambda: [64, 128, 256, 512, 512])
    """Channels of the expression encoder: pooled, at strides 4, 8, 16, 32 and 64; of maps, as affine_widths."""
    encoder_side: int = 4
    """Side of the pooled encoder's last map."""
    decoder_widths: list[int] = field(default_factory=lambda: [512, 512, 256])
    """Widths of the expression decoder."""
    stage_blocks: int = 1
    """Residual blocks of the generator at each size."""

    def affine_estimator(self) -> AffineEstimator | AffineMaps:
        """The estimator of scale and translation."""
        if self.affine == "maps":
            return AffineMaps(self.affine_widths)
        return AffineEstimator(self.stem, self.affine_widths)

    def expression_encoder(self) -> ExpressionEncoder | ExpressionMaps:
        """Build the expression encoder E_e."""
        if self.encoder == "maps":
            return ExpressionMaps(self.encoder_widths, self.expression)
        return ExpressionEncoder(self.encoder_widths, self.expression, self.encoder_side)
