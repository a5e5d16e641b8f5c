"""Face-vid2vid's generators (`modules/generator.py` of the reimplementation; names as in its checkpoints)."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reenact.nn.blocks import ResBlock, SameBlock, UpBlock
from reenact.nn.conv import SpectralConv2d
from reenact.nn.hourglass import list_widths
from reenact.nn.resample import sample_image
from reenact.nn.volume import AppearanceExtractor, VolumeDenseMotion, VolumeMotion

DecoderKind = Literal["original", "spade"]
"""The paper's decoder, or the one of the released weights, which is wider and modulated by SPADE."""


class Spade(nn.Module):
    """Instance norm, modulated by a style map of another size: `norm(x) (1 + gamma) + beta`."""

    def __init__(self, channels: int, style: int, hidden: int) -> None:
        super().__init__()
        self.mlp_shared = nn.Sequential(nn.Conv2d(style, hidden, 3, padding=1), nn.ReLU())
        self.mlp_gamma = nn.Conv2d(hidden, channels, 3, padding=1)
        self.mlp_beta = nn.Conv2d(hidden, channels, 3, padding=1)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """Normalise and modulate maps (B, C, H, W) by a style (B, S, h, w)."""
        hidden = self.mlp_shared(F.interpolate(style, x.shape[-2:], mode="nearest"))
        modulated: Tensor = F.instance_norm(x) * (1 + self.mlp_gamma(hidden)) + self.mlp_beta(hidden)
        return modulated


class SpadeBlock(nn.Module):
    """Residual block of two SPADE layers, projected where widths differ."""

    def __init__(self, channels_in: int, channels_out: int, style: int, hidden: int) -> None:
        super().__init__()
        inner = min(channels_in, channels_out)
        self.conv_0 = SpectralConv2d(channels_in, inner, 3, 1)
        self.conv_1 = SpectralConv2d(inner, channels_out, 3, 1)
        self.norm_0 = Spade(channels_in, style, hidden)
        self.norm_1 = Spade(inner, style, hidden)
        self.projected = channels_in != channels_out
        if self.projected:
            self.conv_s = SpectralConv2d(channels_in, channels_out, 1, bias=False)
            self.norm_s = Spade(channels_in, style, hidden)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """Apply the block."""
        y = self.conv_0(F.leaky_relu(self.norm_0(x, style), 0.2))
        y = self.conv_1(F.leaky_relu(self.norm_1(y, style), 0.2))
        if self.projected:
            x = self.conv_s(self.norm_s(x, style))
        out: Tensor = x + y
        return out


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
            setattr(self, f"G_middle_{index}", SpadeBlock(2 * style, 2 * style, style, hidden))
        self.up_0 = SpadeBlock(2 * style, style, style, hidden)
        self.up_1 = SpadeBlock(style, last, style, hidden)
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
