"""Inference form of the decoder of `reenact.nn.spade`: less arithmetic, the same outputs.

Gamma and beta come out of one convolution; beta of a projected layer comes projected. Maps are normalised before
they are doubled. A style that is enlarged before it is convolved gives few different values: of a block of 4 x 4 pixels
along each axis the first, the last, and one for all between. They are computed at the size of the style.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reenact.nn.adain import normalise_instances
from reenact.nn.blocks import double_size
from reenact.nn.conv import SpectralConv2d, plain_conv
from reenact.nn.layout import bring_channels_inside
from reenact.nn.spade import InstanceSpade, InstanceSpadeBlock, SpadeDecoder


class EnlargedConv(nn.Module):
    """A 3 x 3 convolution of maps that were enlarged by the nearest neighbour, and its ReLU.

    Args:
        conv: the convolution, padded by 1.
        factor: 1, or a power of 2.
    """

    def __init__(self, conv: nn.Conv2d, factor: int) -> None:
        super().__init__()
        assert conv.bias is not None
        self.factor = factor
        self.rows = _list_taps(factor)
        count = len(self.rows)
        # Rows and columns of the kernel, gathered by the neighbour that each of them meets.
        gather = torch.zeros(count, 3, 3)
        for phase, taps in enumerate(self.rows):
            for tap, neighbour in enumerate(taps):
                gather[phase, neighbour, tap] += 1
        weight = torch.einsum("pak,qbl,oikl->pqoiab", gather.double(), gather.double(), conv.weight.double())
        self.conv = plain_conv(weight.flatten(0, 2).to(conv.weight), conv.bias.repeat(count**2), padding=1)

    def forward(self, style: Tensor) -> Tensor:
        """Maps (B, S, h, w) to (B, O, factor h, factor w)."""
        phases = F.relu_(self.conv(style))
        if self.factor == 1:
            return phases
        count = len(self.rows)
        batch, _, height, width = phases.shape
        grid = phases.permute(0, 2, 3, 1).view(batch, height, width, count, count, -1).permute(0, 1, 3, 2, 4, 5)
        if self.factor > count:
            places = torch.tensor([0, *[1] * (self.factor - 2), 2], device=style.device)
            grid = grid.index_select(2, places).index_select(4, places)
        spread = grid.reshape(batch, height * self.factor, width * self.factor, -1)
        return spread.permute(0, 3, 1, 2)


def _list_taps(factor: int) -> list[tuple[int, int, int]]:
    """For each different place in a block of enlarged pixels, the neighbour that each tap meets: 0, 1 (itself) or 2."""
    if factor == 1:
        return [(0, 1, 2)]
    between = [(1, 1, 1)] if factor > 2 else []
    return [(0, 1, 1), *between, (1, 1, 2)]


class FoldedInstanceSpade(nn.Module):
    """The modulation of an `InstanceSpade` by a style that is `factor` times smaller than the maps.

    Args:
        spade: the layer.
        factor: as of `EnlargedConv`.
        projection: a 1 x 1 convolution behind the layer, without a bias; what the layer adds then comes projected.
    """

    def __init__(self, spade: InstanceSpade, factor: int, projection: nn.Module | None = None) -> None:
        super().__init__()
        gamma, beta, shared = spade.mlp_gamma, spade.mlp_beta, spade.mlp_shared[0]
        assert isinstance(shared, nn.Conv2d)
        assert gamma.bias is not None
        assert beta.bias is not None
        self.shared = EnlargedConv(shared, factor)
        self.channels = gamma.out_channels
        added, shift = beta.weight, beta.bias
        if projection is not None:
            assert isinstance(projection, nn.Conv2d)
            matrix = projection.weight.flatten(1)
            added, shift = torch.einsum("oc,cikl->oikl", matrix, added), matrix @ shift
        # 1 + gamma comes out of the convolution as it is.
        bias = torch.cat((gamma.bias + 1, shift))
        self.modulate = plain_conv(torch.cat((gamma.weight, added)), bias, padding=1)

    def forward(self, style: Tensor) -> tuple[Tensor, Tensor]:
        """What normalised maps (B, C, H, W) are multiplied by, and what is added, of a style (B, S, h, w)."""
        maps: Tensor = self.modulate(self.shared(style))
        return maps[:, : self.channels], maps[:, self.channels :]


class FoldedInstanceSpadeBlock(nn.Module):
    """`InstanceSpadeBlock` of folded layers.

    Args:
        block: the block.
        factor: size of the maps over that of the style.
        doubled: the block's input is doubled by the nearest neighbour first, which leaves the norms as they are.
    """

    def __init__(self, block: InstanceSpadeBlock, factor: int, *, doubled: bool = False) -> None:
        super().__init__()
        self.slope, self.projected, self.doubled = block.slope, block.projected, doubled
        self.conv_0, self.conv_1 = _fold_conv(block.conv_0), _fold_conv(block.conv_1)
        self.norm_0, self.norm_1 = (FoldedInstanceSpade(norm, factor) for norm in (block.norm_0, block.norm_1))
        if self.projected:
            self.conv_s = _fold_conv(block.conv_s)
            self.norm_s = FoldedInstanceSpade(block.norm_s, factor, self.conv_s)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """Apply the block to maps (B, in, H, W), or (B, in, H / 2, W / 2) where they are doubled."""
        normalised = normalise_instances(x)
        if self.doubled:
            normalised = double_size(normalised)
        inner = self.conv_0(self._modulate(normalised, self.norm_0(style)))
        y: Tensor = self.conv_1(self._modulate(normalise_instances(inner), self.norm_1(style)))
        if self.projected:
            gamma, beta = self.norm_s(style)
            return y.add_(self.conv_s(normalised.mul_(gamma))).add_(beta)
        return y.add_(double_size(x) if self.doubled else x)

    def _modulate(self, normalised: Tensor, maps: tuple[Tensor, Tensor]) -> Tensor:
        """Modulate, and the leaky ReLU that follows."""
        gamma, beta = maps
        return F.leaky_relu_(torch.addcmul(beta, normalised, gamma), self.slope)


class FoldedSpadeDecoder(nn.Module):
    """`SpadeDecoder` of folded layers."""

    def __init__(self, decoder: SpadeDecoder) -> None:
        super().__init__()
        self.fc, self.conv_img = decoder.fc, decoder.conv_img
        self.middle = nn.ModuleList(
            FoldedInstanceSpadeBlock(getattr(decoder, f"G_middle_{index}"), 1) for index in range(6)
        )
        blocks = zip((decoder.up_0, decoder.up_1), (2, 4), strict=True)
        self.up = nn.ModuleList(FoldedInstanceSpadeBlock(block, factor, doubled=True) for block, factor in blocks)

    def draw_maps(self, style: Tensor) -> Tensor:
        """(B, style, h, w) to the maps (B, last, 4 h, 4 w) before the picture."""
        style = bring_channels_inside(style)
        x: Tensor = self.fc(style)
        for block in (*self.middle, *self.up):
            x = block(x, style)
        return x

    def forward(self, style: Tensor) -> Tensor:
        """(B, style, h, w) to images (B, 3, 4 h upscale, 4 w upscale) in [0, 1]."""
        return torch.sigmoid(self.conv_img(F.leaky_relu_(self.draw_maps(style), 0.2)))


def _fold_conv(conv: nn.Module) -> nn.Module:
    return conv.folded() if isinstance(conv, SpectralConv2d) else conv
