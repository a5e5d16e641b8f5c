"""The encoder and decoder with skips of the first-order motion model, in two and three dimensions."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reenact.nn.blocks import ConvType, DownBlock, SameBlock, UpBlock


def list_widths(base: int, largest: int, blocks: int) -> list[int]:
    """Channels after each of the `blocks` halvings: twice as many each, from 2 `base` up to `largest`."""
    return [min(largest, base * 2 ** (level + 1)) for level in range(blocks)]


class Encoder(nn.Module):
    """Halving blocks: (B, in, ..., H, W) to the input and the output of every block, finest first."""

    def __init__(self, channels_in: int, channels: list[int], conv: ConvType = nn.Conv2d) -> None:
        super().__init__()
        pairs = zip((channels_in, *channels), channels, strict=False)
        self.down_blocks = nn.ModuleList(DownBlock(a, b, conv=conv, slope=0.0) for a, b in pairs)

    def forward(self, x: Tensor) -> list[Tensor]:
        """The features of every level."""
        features = [x]
        for block in self.down_blocks:
            features.append(block(features[-1]))
        return features


class Decoder(nn.Module):
    """Doubling blocks, each followed by the encoder's features of its size.

    Args:
        base: channels of the last block, to which the encoder's input is added.
        channels: as of the encoder.
        extra: channels of the encoder's input, where a last convolution, norm and ReLU join it and the last block
            (Face-vid2vid); None for no such layer.
        conv: as of `SameBlock`.
    """

    def __init__(self, base: int, channels: list[int], extra: int | None, conv: ConvType = nn.Conv2d) -> None:
        super().__init__()
        self.last = None if extra is None else SameBlock(base + extra, base + extra, conv=conv, slope=0.0)
        outs = [base, *channels[:-1]]
        ins = [*(2 * width for width in channels[:-1]), channels[-1]]
        pairs = reversed(list(zip(ins, outs, strict=True)))
        self.up_blocks = nn.ModuleList(UpBlock(a, b, conv=conv, slope=0.0) for a, b in pairs)

    def forward(self, features: list[Tensor]) -> Tensor:
        """Maps (B, base + in, ..., H, W) of the features of an `Encoder`."""
        *skips, x = features
        for block, skip in zip(self.up_blocks, reversed(skips), strict=True):
            x = torch.cat((block(x), skip), dim=1)
        return x if self.last is None else self.last(x)


class Hourglass(nn.Module):
    """Encoder and decoder: (B, in, ..., H, W) to (B, base + in, ..., H, W).

    Height and width must be multiples of 2 to the number of blocks.

    Args:
        channels_in: of the input.
        base: a block has twice the channels of the one before, the first one twice this.
        largest: at most these channels.
        blocks: number of halvings.
        conv: as of `SameBlock`.
        joined: whether the decoder ends in a convolution over its output and the input together.
    """

    def __init__(
        self,
        channels_in: int,
        base: int,
        largest: int,
        blocks: int,
        conv: ConvType = nn.Conv2d,
        *,
        joined: bool = False,
    ) -> None:
        super().__init__()
        channels = list_widths(base, largest, blocks)
        self.encoder = Encoder(channels_in, channels, conv)
        self.decoder = Decoder(base, channels, channels_in if joined else None, conv)
        self.channels_out = base + channels_in

    def forward(self, x: Tensor) -> Tensor:
        """Apply it."""
        decoded: Tensor = self.decoder(self.encoder(x))
        return decoded
