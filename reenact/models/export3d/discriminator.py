"""The discriminator of phase 2: StyleGAN2's with residual blocks, which is told the camera of the picture.

Source: StyleGAN2-ADA and EG3D, `networks_stylegan2.py`. The paper judges single pictures, not pairs of two sizes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from reenact.errors import ReenactError
from reenact.models.export3d.scaled import ScaledConv2d, SlowLinear, filter_maps

GROUP = 4
"""Most pictures of a batch whose spread is measured together."""
LEAST_SIDE = 4
"""Side of the coarsest maps."""
MAPPING_RATE = 0.01
"""Share of the learning rate of the layers that read the camera."""


@dataclass(frozen=True, kw_only=True)
class DiscriminatorConfig:
    """Sizes of the discriminator."""

    base: int = 32768
    """Channels times the side of the maps."""
    largest: int = 512
    """Largest number of channels."""
    layers: int = 8
    """Layers that read the camera."""


class CameraDiscriminator(nn.Module):
    """Logits (B, 1) of pictures (B, 3, S, S) in [-1, 1] with camera labels (B, L).

    Args:
        config: sizes.
        size: S, a power of two of at least 8.
        label: L.

    Raises:
        ReenactError: if the size is no power of two.
    """

    def __init__(self, config: DiscriminatorConfig, size: int, label: int) -> None:
        super().__init__()
        if size < 2 * LEAST_SIDE or size & (size - 1):
            raise ReenactError(f"the discriminator of export3d needs pictures of 2^n pixels, not {size}: set 64 to 512")

        def count_channels(side: int) -> int:
            return min(config.largest, config.base // side)

        sides = [size >> step for step in range((size // LEAST_SIDE).bit_length() - 1)]
        self.first = ScaledConv2d(3, count_channels(size), 1)
        self.blocks = nn.Sequential(*(HalvingBlock(count_channels(s), count_channels(s // 2)) for s in sides))
        width = count_channels(LEAST_SIDE)
        self.last = ScaledConv2d(width + 1, width, 3)
        self.hidden = SlowLinear(width * LEAST_SIDE**2, width)
        self.out = SlowLinear(width, width, active=False)
        self.embed = SlowLinear(label, width, active=False)
        self.mapping = nn.Sequential(*(SlowLinear(width, width, MAPPING_RATE) for _ in range(config.layers)))

    def forward(self, image: Tensor, label: Tensor) -> Tensor:
        """Apply it."""
        x = self.last(append_spread(self.blocks(self.first(image))))
        out = self.out(self.hidden(x.flatten(1)))
        embedded = self.embed(label)
        embedded = embedded * (embedded.square().mean(1, keepdim=True) + 1e-8).rsqrt()
        logits: Tensor = (out * self.mapping(embedded)).sum(1, keepdim=True) * out.shape[1] ** -0.5
        return logits


class HalvingBlock(nn.Module):
    """Two convolutions, the second of half the size, with a skip.

    Args:
        inside: channels that come in.
        width: channels that go out.
    """

    def __init__(self, inside: int, width: int) -> None:
        super().__init__()
        self.first = ScaledConv2d(inside, inside, 3)
        self.second = ScaledConv2d(inside, width, 3, halves=True)
        self.skip = ScaledConv2d(inside, width, 1, active=False, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Apply it."""
        skip = self.skip(filter_maps(x, 1)[..., ::2, ::2])
        result: Tensor = (skip + self.second(self.first(x))) * 0.5**0.5
        return result


def append_spread(x: Tensor) -> Tensor:
    """Maps (B, C, H, W) with one more channel: the mean standard deviation of groups of pictures of the batch."""
    group = max(size for size in range(1, GROUP + 1) if len(x) % size == 0)
    groups = x.reshape(group, -1, *x.shape[1:])
    spread = (groups.var(0, unbiased=False) + 1e-8).sqrt().mean((1, 2, 3))
    return torch.cat((x, spread.repeat(group)[:, None, None, None].expand(-1, 1, *x.shape[2:])), 1)
