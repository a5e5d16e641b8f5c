"""Settings of keypoint methods, and readers of their official files: sizes from weights, and the discriminator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from reenact.models.common.adversarial import AdversarialOptimisation
from reenact.nn.discriminator import MultiScaleDiscriminator
from reenact.nn.resample import AntiAliasDown

HEADS = (".mask.", ".occlusion.")
"""Substrings of the names of the dense motion's last layers. These convolutions have up to 38,000 inputs to an output,
so Adam's steps of 1e-3 can move their logits by several at once: one keypoint wins everywhere, and the others have no
gradient any more. `head_lr_factor` gives them a rate of their own."""
REDUCTIONS = {AntiAliasDown(factor).kernel.numel(): factor for factor in (2, 4, 8)}
"""Length of a low-pass kernel -> the reduction that it is of."""

JOINED = {
    "hourglass.decoder.conv.": "hourglass.decoder.last.conv.",
    "hourglass.decoder.norm.": "hourglass.decoder.last.norm.",
}
"""Official -> our names of the last layer of a dense motion's hourglass in space, a block of its own here."""


@dataclass(frozen=True, kw_only=True)
class KeypointOptimisation(AdversarialOptimisation):
    """Adam for both networks; defaults are `train.py` of FOMM's code and of Face-vid2vid's reimplementation."""

    beta1: float = 0.5
    head_lr_factor: float = 1.0
    """Factor on the learning rate of the dense motion's mask and occlusion."""


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


def count_channels(state: Mapping[str, Tensor], blocks: str) -> list[int]:
    """Output channels of numbered blocks, whose names are `blocks` with the number in place of `{}`.

    Raises:
        KeyError: if there is none.
    """
    widths: list[int] = []
    while (bias := state.get(f"{blocks.format(len(widths))}.conv.bias")) is not None:
        widths.append(len(bias))
    if not widths:
        raise KeyError(blocks.format(0))
    return widths


def read_reduction(state: Mapping[str, Tensor], kernel: str = "down.weight") -> int:
    """Factor by which a network first reduces images.

    Raises:
        ValueError: if the kernel is not that of a reduction by 2, 4 or 8.
    """
    weight = state.get(kernel)
    if weight is None:
        return 1
    if weight.shape[-1] not in REDUCTIONS:
        raise ValueError(f"a {kernel} of {', '.join(map(str, REDUCTIONS))} pixels, its own has {weight.shape[-1]}")
    factor = REDUCTIONS[weight.shape[-1]]
    row = AntiAliasDown(factor).kernel
    square = torch.outer(row, row)
    if weight.shape[-2:] != square.shape or not torch.allclose(weight.float(), square, rtol=0, atol=1e-5):
        raise ValueError(f"a {kernel} that is the low-pass of a reduction by {factor}")
    return factor


def rename_hourglass(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights of a network with a dense motion in space by our names."""
    weights = {}
    for name, value in state.items():
        for official_name, joined in JOINED.items():
            name = name.replace(official_name, joined)
        weights[name] = value
    return weights


def discriminator_config(official: Mapping[str, Any]) -> DiscriminatorConfig:
    """Settings of a file's discriminator; the default where it has none, as files made smaller for sharing."""
    state = official.get("discriminator")
    if not state:
        return DiscriminatorConfig()
    keyed = "discs.1.down_blocks.0.conv.weight" in state
    return DiscriminatorConfig(count_channels(state, "discs.1.down_blocks.{}"), keypoints=keyed)


def discriminator_state(official: Mapping[str, Any], discriminator: nn.Module) -> dict[str, Tensor]:
    """The discriminator's weights by our names; its own, which training alone reads, if the file has none."""
    state = official.get("discriminator") or discriminator.state_dict()
    return {f"discriminator.{name}": value for name, value in state.items()}
