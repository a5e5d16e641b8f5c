"""Shared readers of the official files of keypoint methods: sizes from weights, and the discriminator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from reenact.models.common.keypoint_training import DiscriminatorConfig, KeypointModule
from reenact.nn.resample import AntiAliasDown

REDUCTIONS = {AntiAliasDown(factor).kernel.numel(): factor for factor in (2, 4, 8)}
"""Length of a low-pass kernel -> the reduction that it is of."""


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


def discriminator_config(official: Mapping[str, Any]) -> DiscriminatorConfig:
    """Settings of a file's discriminator; the default where it has none, as files made smaller for sharing."""
    state = official.get("discriminator")
    if not state:
        return DiscriminatorConfig()
    keyed = "discs.1.down_blocks.0.conv.weight" in state
    return DiscriminatorConfig(count_channels(state, "discs.1.down_blocks.{}"), keypoints=keyed)


def discriminator_state(official: Mapping[str, Any], module: KeypointModule) -> dict[str, Tensor]:
    """The discriminator's weights by our names; the module's own, which training alone reads, if the file has none."""
    state = official.get("discriminator") or module.discriminator.state_dict()
    return {f"discriminator.{name}": value for name, value in state.items()}
