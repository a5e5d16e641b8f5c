"""Inference form of the reenactment network: less arithmetic, the same outputs.

A SPADE layer computes gamma and beta in one convolution, and only around the face. Where the render shows background
alone, both are those of an empty render, of which a few pixels tell everything.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reenact.models.bfm_flow.generator import BFMFlowGenerator
from reenact.nn.adain import normalise_instances
from reenact.nn.conv import plain_conv
from reenact.nn.fold import fold_blocks
from reenact.nn.layout import has_inner_channels
from reenact.nn.spade import InstanceSpade, InstanceSpadeBlock

BACKGROUND = -1.0
"""Value of the render where no face is seen."""
REACH = 2
"""Pixels by which the two convolutions of a SPADE layer carry a change of the render."""
EMPTY = 2 * REACH + 1
"""Side of an empty render whose middle pixel is far from every border."""


class FoldedSpade(nn.Module):
    """`InstanceSpade` of a render of one face, and the leaky ReLU that follows.

    Args:
        spade: the layer.
        slope: negative slope of the activation.
    """

    empty: Tensor

    def __init__(self, spade: InstanceSpade, slope: float) -> None:
        super().__init__()
        gamma, beta, shared = spade.mlp_gamma, spade.mlp_beta, spade.mlp_shared[0]
        assert isinstance(shared, nn.Conv2d)
        assert gamma.bias is not None
        assert beta.bias is not None
        self.shared, self.slope = shared, slope
        # 1 + gamma comes out of the convolution as it is.
        bias = torch.cat((gamma.bias + 1, beta.bias))
        self.modulate = plain_conv(torch.cat((gamma.weight, beta.weight)), bias, padding=1)
        empty = torch.full((1, shared.in_channels, EMPTY, EMPTY), BACKGROUND).to(gamma.weight)
        self.register_buffer("empty", self._convolve(empty), persistent=False)

    def forward(self, x: Tensor, render: Tensor) -> Tensor:
        """Normalise and modulate maps (B, C, h, w) by a render (B, 3, h, w)."""
        height, width = x.shape[-2:]
        normalised = normalise_instances(x)
        if has_inner_channels(x):
            render = render.contiguous(memory_format=torch.channels_last)
        if min(height, width) < EMPTY:
            return F.leaky_relu_(_modulate(normalised, self._convolve(render)), self.slope)
        out = _modulate(normalised, self.empty[:, :, REACH : REACH + 1, REACH : REACH + 1])
        for region, maps in self._list_regions(render):
            out[region] = _modulate(normalised[region], maps)
        return F.leaky_relu_(out, self.slope)

    def _convolve(self, render: Tensor) -> Tensor:
        """1 + gamma and beta (B, 2 C, h, w) of a render."""
        maps: Tensor = self.modulate(F.relu_(self.shared(render)))
        return maps

    def _list_regions(self, render: Tensor) -> Iterator[tuple[tuple[slice, ...], Tensor]]:
        """Places that differ from the middle of an empty render, with their maps: the borders, then the face."""
        height, width = render.shape[-2:]
        rows, columns = (_spread_pixels(count, render.device) for count in (height, width))
        low, high, every = slice(REACH), slice(-REACH, None), slice(None)
        for vertical, horizontal in ((low, every), (high, every), (every, low), (every, high)):
            border = self.empty[:, :, rows[vertical, None], columns[horizontal]]
            yield (every, every, vertical, horizontal), border
        face = (render != BACKGROUND).any(1).any(0)
        if bool(face.any()):
            (top, bottom), (start, end) = _span(face.any(1), height), _span(face.any(0), width)
            (first_row, last_row), (first, last) = _widen(top, bottom, height), _widen(start, end, width)
            part = self._convolve(render[..., first_row:last_row, first:last])
            inner = slice(top - first_row, bottom - first_row), slice(start - first, end - first)
            yield (every, every, slice(top, bottom), slice(start, end)), part[..., *inner]


def _modulate(normalised: Tensor, maps: Tensor) -> Tensor:
    gamma, beta = maps.chunk(2, dim=1)
    return torch.addcmul(beta, normalised, gamma)


def _spread_pixels(count: int, device: torch.device) -> Tensor:
    """For each of `count` pixels, the pixel of the empty render that is as far from the borders."""
    place = torch.arange(count, device=device)
    return torch.where(place < count - REACH, place.clamp(max=REACH), place - count + EMPTY)


def _span(covered: Tensor, count: int) -> tuple[int, int]:
    """First and last place + 1 that a change of the covered places reaches."""
    places = covered.nonzero()
    return _widen(int(places[0]), int(places[-1]) + 1, count)


def _widen(start: int, end: int, count: int) -> tuple[int, int]:
    return max(start - REACH, 0), min(end + REACH, count)


class FoldedSpadeBlock(nn.Module):
    """`InstanceSpadeBlock` of folded layers, of equal widths."""

    def __init__(self, block: InstanceSpadeBlock) -> None:
        super().__init__()
        self.conv_0, self.conv_1 = block.conv_0, block.conv_1
        self.norm_0, self.norm_1 = (FoldedSpade(norm, block.slope) for norm in (block.norm_0, block.norm_1))

    def forward(self, x: Tensor, render: Tensor) -> Tensor:
        """Apply the block; the render has any size."""
        render = F.interpolate(render, x.shape[-2:], mode="nearest")
        y = self.conv_0(self.norm_0(x, render))
        out: Tensor = self.conv_1(self.norm_1(y, render)).add_(x)
        return out


@torch.no_grad()
def fold_generator(generator: BFMFlowGenerator) -> BFMFlowGenerator:
    """Return a copy of a network for inference."""
    folded = copy.deepcopy(generator).eval()
    for blocks in folded.blocks:
        assert isinstance(blocks, nn.ModuleList)
        for number, block in enumerate(blocks):
            if isinstance(block, InstanceSpadeBlock):
                blocks[number] = FoldedSpadeBlock(block)
    return fold_blocks(folded)
