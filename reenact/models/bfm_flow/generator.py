"""BFM flow's reenactment network: features of the source, warped and masked at every scale, decoded around the render.

The paper's figure of it is not public. Layers and widths are those of PIRenderer's editing network, of the same group:
13.97 million parameters at the paper's scale. Images are in [-1, 1].
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reenact.nn.adain import LayerNormBlock, LayerNormDownBlock, LayerNormUpBlock
from reenact.nn.blocks import LEAK
from reenact.nn.layout import has_inner_channels
from reenact.nn.resample import warp
from reenact.nn.spade import InstanceSpadeBlock


class InstanceBlock(nn.Module):
    """Residual block of two instance norms without modulation: (B, C, H, W) to the same size; ablations have it.

    Args:
        channels: of input and output.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv_0 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv_1 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor, style: Tensor | None) -> Tensor:
        """Apply the block; there is no style."""
        y = self.conv_0(F.leaky_relu(F.instance_norm(x), LEAK))
        y = self.conv_1(F.leaky_relu(F.instance_norm(y), LEAK))
        out: Tensor = x + y
        return out


class BFMFlowGenerator(nn.Module):
    """Encoder of the source, and decoder of its warped and masked features.

    Args:
        widths: channels at full size and after each halving.
        blocks: residual blocks at each size of the decoder.
        hidden: channels inside a SPADE layer; 0 leaves the render out.
    """

    def __init__(self, widths: Sequence[int], blocks: int, hidden: int) -> None:
        super().__init__()
        self.stride = 2 ** (len(widths) - 1)
        self.first = LayerNormBlock(3, widths[0], 7)
        self.down = nn.ModuleList(LayerNormDownBlock(fine, coarse) for fine, coarse in pairwise(widths))
        self.blocks, self.up, self.jump = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for fine, coarse in reversed(list(pairwise(widths))):
            self.blocks.append(nn.ModuleList(_build_block(coarse, hidden) for _ in range(blocks)))
            self.up.append(LayerNormUpBlock(coarse, fine))
            self.jump.append(LayerNormBlock(fine, fine))
        self.final = nn.Conv2d(widths[0], 3, 7, padding=3)

    def encode(self, image: Tensor) -> tuple[Tensor, ...]:
        """Features of an image (B, 3, H, W), whose sides are multiples of `stride`, coarse to fine."""
        features = [self.first(image)]
        for layer in self.down:
            features.append(layer(features[-1]))
        return tuple(reversed(features))

    def decode(self, features: Sequence[Tensor], flow: Tensor, occlusion: Tensor, render: Tensor | None) -> Tensor:
        """Images (B, 3, H, W) of a source.

        Args:
            features: what `encode` returns, of batch 1 or B.
            flow: (B, 2, H, W) backward flow from the driving to the source image, in units of `grid_sample`.
            occlusion: (B, 1, H, W) in [0, 1]: 1 where the source shows it.
            render: (B, 3, H, W) shaded render of the driven face; None in a network without it.
        """
        x = transport_features(features[0], flow, occlusion)
        for blocks, up, jump, skip in zip(self.blocks, self.up, self.jump, features[1:], strict=True):
            assert isinstance(blocks, nn.ModuleList)
            for block in blocks:
                x = block(x, render)
            x = up(x) + jump(transport_features(skip, flow, occlusion))
        image: Tensor = torch.tanh(self.final(x))
        return image


def _build_block(channels: int, hidden: int) -> nn.Module:
    if hidden == 0:
        return InstanceBlock(channels)
    return InstanceSpadeBlock(channels, channels, 3, hidden, conv=nn.Conv2d, slope=LEAK)


def transport_features(features: Tensor, flow: Tensor, occlusion: Tensor) -> Tensor:
    """Warp features (1 or B, C, h, w) by a flow (B, 2, H, W) and mask them by an occlusion map (B, 1, H, W)."""
    size = features.shape[-2:]
    if flow.shape[-2:] != size:
        flow, occlusion = (F.interpolate(value, size, mode="bilinear") for value in (flow, occlusion))
    warped = warp(features, flow)
    if has_inner_channels(features):
        warped = warped.contiguous(memory_format=torch.channels_last)
    return warped * occlusion
