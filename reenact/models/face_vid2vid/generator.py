"""Face-vid2vid's generators (`modules/generator.py` of the reimplementation; names as in its checkpoints)."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from reenact.nn.blocks import ResBlock, SameBlock, UpBlock
from reenact.nn.hourglass import list_widths
from reenact.nn.spade import SpadeDecoder
from reenact.nn.volume import AppearanceExtractor, VolumeDenseMotion, VolumeMotion, project_volume

DecoderKind = Literal["original", "spade"]
"""The paper's decoder, or the one of the released weights, which is wider and modulated by SPADE."""


class Generator(AppearanceExtractor):
    """The feature volume of a source, warped, projected to a map, masked and decoded.

    Args:
        width: channels at full size; each halving doubles them.
        largest: largest width.
        halvings: of the image.
        channels: of the volume.
        depth: of the volume.
        blocks: residual blocks, of the volume and of the original decoder each.
        decoder: which decoder.
        hidden: channels inside the SPADE decoder's layers.
        dense_motion: gives flow and occlusion.
    """

    def __init__(
        self,
        width: int,
        largest: int,
        halvings: int,
        channels: int,
        depth: int,
        blocks: int,
        decoder: DecoderKind,
        hidden: int,
        dense_motion: VolumeDenseMotion,
    ) -> None:
        super().__init__(width, largest, halvings, channels, depth, blocks, kernel=7 if decoder == "original" else 3)
        self.dense_motion_network = dense_motion
        inner = [width, *list_widths(width, largest, halvings)]
        self.third = SameBlock(channels * depth, inner[-1], conv=nn.Conv2d, slope=0.01)
        self.fourth = nn.Conv2d(inner[-1], inner[-1], 1)
        self.decoder: SpadeDecoder | None = None
        if decoder == "spade":
            self.decoder = SpadeDecoder(inner[-1], width, hidden)
            return
        self.resblocks_2d = nn.Sequential()
        for index in range(blocks):
            self.resblocks_2d.add_module(f"2dr{index}", ResBlock(inner[-1]))
        pairs = reversed(list(pairwise(inner)))
        self.up_blocks = nn.ModuleList(UpBlock(b, a, conv=nn.Conv2d, slope=0.0) for a, b in pairs)
        self.final = nn.Conv2d(width, 3, 7, padding=3)

    def projected(self, volume: Tensor, motion: VolumeMotion) -> Tensor:
        """The warped volume as a map (B, C, h, w), before occlusion."""
        return project_volume(self.third, self.fourth, volume, motion)

    def decode(self, volume: Tensor, motion: VolumeMotion) -> Tensor:
        """Images (B, 3, H, W) in [0, 1] of a source's volume (of batch B or 1) and a motion through it."""
        x = self.projected(volume, motion) * motion.occlusion
        if self.decoder is not None:
            image: Tensor = self.decoder(x)
            return image
        x = self.resblocks_2d(x)
        for block in self.up_blocks:
            x = block(x)
        return torch.sigmoid(self.final(x))
