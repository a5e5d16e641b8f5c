"""PIRenderer's editing network: it paints what the warp of the source lacks.

Attribute names are those of its published checkpoints.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reenact.nn.adain import AdaINResBlock, LayerNormBlock, LayerNormDownBlock, LayerNormUpBlock
from reenact.nn.layout import has_inner_channels
from reenact.nn.residual import paint_on


class EditingEncoder(nn.Module):
    """Features of the source and the warped source at full size and after each halving.

    Args:
        widths: their channels.
    """

    def __init__(self, widths: list[int]) -> None:
        super().__init__()
        self.first = LayerNormBlock(6, widths[0], 7)
        self.halvings = len(widths) - 1
        for i, (a, b) in enumerate(pairwise(widths)):
            self.add_module(f"down{i}", LayerNormDownBlock(a, b))

    def begin(self, image: Tensor) -> Tensor:
        """The share (B, C, H, W) of the source (B, 3, H, W) in the first convolution."""
        conv = self._first_convolution()
        return F.conv2d(image, conv.weight[:, :3], conv.bias, padding=conv.padding)

    def continue_from(self, start: Tensor, warped: Tensor) -> list[Tensor]:
        """Features, finest first, from the share of `begin`, of batch 1 or B, and the warped source (B, 3, H, W)."""
        conv = self._first_convolution()
        if has_inner_channels(start):
            warped = warped.contiguous(memory_format=torch.channels_last)
        x = start + F.conv2d(warped, conv.weight[:, 3:], padding=conv.padding)
        features = [self.first.model[1:](x)]
        for i in range(self.halvings):
            features.append(self.get_submodule(f"down{i}")(features[-1]))
        return features

    def _first_convolution(self) -> nn.Conv2d:
        conv = self.first.model[0]
        assert isinstance(conv, nn.Conv2d)
        return conv


class AdaINResBlocks(nn.Module):
    """Residual blocks that a code modulates, one after the other.

    Args:
        channels: of the maps.
        code: length of the code.
        blocks: number of blocks.
    """

    def __init__(self, channels: int, code: int, blocks: int) -> None:
        super().__init__()
        self.blocks = blocks
        for i in range(blocks):
            self.add_module(f"res{i}", AdaINResBlock(channels, code))

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        """Apply the blocks."""
        for i in range(self.blocks):
            x = self.get_submodule(f"res{i}")(x, code)
        return x


class FinalBlock(nn.Module):
    """The picture (B, 3, H, W) in [-1, 1] of maps (B, C, H, W).

    Args:
        channels: of the maps.
        residual: paint on another picture.
    """

    def __init__(self, channels: int, *, residual: bool = False) -> None:
        super().__init__()
        self.residual = residual
        self.model = nn.Sequential(nn.Conv2d(channels, 3, 7, padding=3), nn.Tanh())

    def forward(self, x: Tensor, warped: Tensor) -> Tensor:
        """Apply the block; the warped source (B, 3, H, W) in [-1, 1] is what a residual block paints on."""
        conv, tanh = self.model
        raw = conv(x)
        image: Tensor = paint_on(raw, warped) if self.residual else tanh(raw)
        return image


class EditingDecoder(nn.Module):
    """Doublings with modulated residual blocks before and the encoder's features, once more convolved, added behind.

    Args:
        widths: as of the encoder.
        code: length of the code.
        blocks: residual blocks before each doubling.
        residual: paint on the warped source.
    """

    def __init__(self, widths: list[int], code: int, blocks: int, *, residual: bool = False) -> None:
        super().__init__()
        self.levels = tuple(range(len(widths) - 1))[::-1]
        for i in self.levels:
            self.add_module(f"res{i}", AdaINResBlocks(widths[i + 1], code, blocks))
            self.add_module(f"up{i}", LayerNormUpBlock(widths[i + 1], widths[i]))
            self.add_module(f"jump{i}", LayerNormBlock(widths[i], widths[i]))
        self.final = FinalBlock(widths[0], residual=residual)

    def forward(self, features: list[Tensor], code: Tensor, warped: Tensor) -> Tensor:
        """The picture of the encoder's features, finest first, and of the warped source."""
        *skips, x = features
        for i in self.levels:
            x = self.get_submodule(f"up{i}")(self.get_submodule(f"res{i}")(x, code))
            x = self.get_submodule(f"jump{i}")(skips.pop()) + x
        image: Tensor = self.final(x, warped)
        return image


class EditingNetwork(nn.Module):
    """Source, warped source and code to the result.

    Args:
        code: length of the code.
        width: channels at full size; each halving doubles them.
        largest: largest number of channels.
        halvings: of the image.
        blocks: residual blocks before each doubling.
        residual: paint on the warped source; not in the released code.
    """

    def __init__(
        self,
        code: int = 256,
        width: int = 64,
        largest: int = 256,
        halvings: int = 3,
        blocks: int = 2,
        *,
        residual: bool = False,
    ) -> None:
        super().__init__()
        widths = [min(width * 2**i, largest) for i in range(halvings + 1)]
        self.stride = 2**halvings
        self.encoder = EditingEncoder(widths)
        self.decoder = EditingDecoder(widths, code, blocks, residual=residual)

    def begin(self, image: Tensor) -> Tensor:
        """Compute the features that the source (B, 3, H, W) in [-1, 1] alone decides."""
        return self.encoder.begin(image)

    def continue_from(self, start: Tensor, warped: Tensor, code: Tensor) -> Tensor:
        """The result (B, 3, H, W) in [-1, 1] of `begin`, of batch 1 or B, the warped source and codes (B, D)."""
        image: Tensor = self.decoder(self.encoder.continue_from(start, warped), code, warped)
        return image
