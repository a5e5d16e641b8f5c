"""Face-vid2vid's generators (`modules/generator.py` of the reimplementation; names as in its checkpoints)."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reenact.nn.blocks import ResBlock, SameBlock, UpBlock
from reenact.nn.hourglass import list_widths
from reenact.nn.resample import sample_image
from reenact.nn.spade import InstanceSpadeBlock
from reenact.nn.volume import AppearanceExtractor, VolumeDenseMotion, VolumeMotion

DecoderKind = Literal["original", "spade"]
"""The paper's decoder, or the one of the released weights, which is wider and modulated by SPADE."""


class SpadeDecoder(nn.Module):
    """Six SPADE blocks, two doublings, RGB.

    Args:
        style: channels of the projected volume, which is both input and style.
        last: channels at full size.
        hidden: channels inside a SPADE layer.
    """

    def __init__(self, style: int, last: int, hidden: int) -> None:
        super().__init__()
        self.fc = nn.Conv2d(style, 2 * style, 3, padding=1)
        for index in range(6):
            setattr(self, f"G_middle_{index}", InstanceSpadeBlock(2 * style, 2 * style, style, hidden))
        self.up_0 = InstanceSpadeBlock(2 * style, style, style, hidden)
        self.up_1 = InstanceSpadeBlock(style, last, style, hidden)
        self.conv_img = nn.Conv2d(last, 3, 3, padding=1)

    def forward(self, style: Tensor) -> Tensor:
        """(B, style, h, w) to images (B, 3, 4h, 4w) in [0, 1]."""
        x = self.fc(style)
        for index in range(6):
            x = getattr(self, f"G_middle_{index}")(x, style)
        for block in (self.up_0, self.up_1):
            x = block(F.interpolate(x, scale_factor=2.0, mode="nearest"), style)
        return torch.sigmoid(self.conv_img(F.leaky_relu(x, 0.2)))


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
        mapped: Tensor = self.fourth(self.third(sample_image(volume, motion.position).flatten(1, 2)))
        return mapped

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
