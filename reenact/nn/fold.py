"""Inference forms of the shared blocks: norms folded into convolutions, less arithmetic, the same outputs."""

from __future__ import annotations

from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from reenact.nn.adain import LayerNormUpBlock
from reenact.nn.blocks import (
    LEAK,
    DownBlock,
    ResBlock,
    SameBlock,
    Spade,
    SpadeResBlock,
    UpBlock,
    double_size,
    halve_size,
)
from reenact.nn.conv import SpectralConv2d, batch_norm_affine, plain_conv, plain_volume_conv
from reenact.nn.folded_spade import FoldedSpadeDecoder
from reenact.nn.layout import bring_channels_inside, has_inner_channels, inner_format
from reenact.nn.spade import SpadeDecoder
from reenact.nn.winograd import use_winograd

Module = TypeVar("Module", bound=nn.Module)
MOST_VOLUME_WEIGHTS = 2**17
"""Products of two numbers of channels above which the coarse volumes of an hourglass are so small that reading the
weights of their convolutions takes the time."""


def folded_conv(conv: nn.Module, norm: nn.Module) -> nn.Conv2d | nn.Conv3d:
    """The plain convolution equal to `norm(conv(x))` with the running statistics of `norm`."""
    plain = conv.folded() if isinstance(conv, SpectralConv2d) else conv
    assert isinstance(plain, nn.Conv2d | nn.Conv3d)
    assert isinstance(norm, nn.BatchNorm2d | nn.BatchNorm3d)
    return fuse_conv_bn_eval(plain.eval(), norm.eval())


class FoldedBlock(nn.Module):
    """`SameBlock` as one convolution and a leaky ReLU; a `DownBlock` pools then, an `UpBlock` repeats pixels before."""

    def __init__(self, block: SameBlock) -> None:
        super().__init__()
        self.conv = folded_conv(block.conv, block.norm)
        self.slope = block.slope
        self.pooled = isinstance(block, DownBlock)
        self.repeated = isinstance(block, UpBlock)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        x = F.leaky_relu_(self.conv(double_size(x) if self.repeated else x), self.slope)
        return halve_size(x) if self.pooled else x


class FoldedVolumeBlock(nn.Module):
    """`SameBlock` of volumes; the channels of a voxel are neighbours in memory meanwhile, which takes less time."""

    def __init__(self, block: SameBlock) -> None:
        super().__init__()
        self.conv = folded_conv(block.conv, block.norm)
        self.slope = block.slope

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        return F.leaky_relu_(self.conv(bring_channels_inside(x)), self.slope).contiguous()


class FoldedUpBlock(nn.Module):
    """`UpBlock` computed at the coarse size: a 3 x 3 kernel on doubled pixels sees only 2 x 2 different ones.

    Each of the four output phases is its own 2 x 2 convolution of the coarse map, 16 products instead of 36.
    """

    def __init__(self, block: UpBlock) -> None:
        super().__init__()
        self.slope = block.slope
        self.conv = split_phases(folded_conv(block.conv, block.norm))

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        return join_phases(F.leaky_relu_(self.conv(x), self.slope))


class FoldedLayerNormUpBlock(nn.Module):
    """`LayerNormUpBlock` whose convolution is computed at the coarse size, as that of `FoldedUpBlock`."""

    def __init__(self, block: LayerNormUpBlock) -> None:
        super().__init__()
        conv, norm, activation = block.model
        assert isinstance(conv, nn.Conv2d)
        self.conv = split_phases(conv)
        self.rest = nn.Sequential(norm, activation)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        out: Tensor = self.rest(join_phases(self.conv(x)))
        return out


def split_phases(conv: nn.Conv2d | nn.Conv3d) -> nn.Conv2d | nn.Conv3d:
    """Return the convolution of a coarse map whose four phases `join_phases` joins to `conv` of the map doubled.

    Args:
        conv: 3 x 3, or 3 x 3 x 3 for volumes, with padding 1, behind a nearest-neighbour doubling.
    """
    # Phase 0 of an axis sees coarse pixels (i - 1, i) through taps (0), (1, 2); phase 1 sees (i, i + 1).
    taps = torch.tensor([[[1.0, 0, 0], [0, 1, 1]], [[1, 1, 0], [0, 0, 1]]])
    weight = torch.einsum("ayk,bxl,oi...kl->aboi...yx", taps.to(conv.weight), taps.to(conv.weight), conv.weight)
    assert conv.bias is not None
    build = plain_conv if isinstance(conv, nn.Conv2d) else plain_volume_conv
    return build(weight.flatten(0, 2), conv.bias.repeat(4), 1)


def join_phases(phases: Tensor) -> Tensor:
    """Interleave phases (B, 4 C, ..., H + 1, W + 1) to maps or volumes (B, C, ..., 2H, 2W)."""
    height, width = phases.shape[-2] - 1, phases.shape[-1] - 1
    parts = phases.reshape(len(phases), 2, 2, -1, *phases.shape[2:])
    size = len(phases), parts.shape[3], *phases.shape[2:-2], 2 * height, 2 * width
    order = inner_format(phases) if has_inner_channels(phases) else torch.contiguous_format
    out = torch.empty(size, dtype=phases.dtype, device=phases.device, memory_format=order)
    for row in range(2):
        for column in range(2):
            out[..., row::2, column::2] = parts[:, row, column, ..., row : row + height, column : column + width]
    return out


class FoldedResBlock(nn.Module):
    """`ResBlock` with its second norm inside its first convolution."""

    def __init__(self, block: ResBlock) -> None:
        super().__init__()
        self.norm1 = block.norm1.eval()
        self.conv1 = folded_conv(block.conv1, block.norm2)
        self.conv2 = block.conv2

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        y = F.relu_(self.conv1(F.relu_(self.norm1(x))))
        out: Tensor = self.conv2(y).add_(x)
        return out


class FoldedSpade(nn.Module):
    """`Spade` with gamma and beta from one convolution and its batch norm as a scale and shift."""

    scale: Tensor
    shift: Tensor

    def __init__(self, spade: Spade) -> None:
        super().__init__()
        gamma, beta = spade.gamma_conv.folded(), spade.beta_conv.folded()
        shared = spade.shared_conv[0]
        assert isinstance(shared, SpectralConv2d)
        assert gamma.bias is not None
        assert beta.bias is not None
        self.shared_conv = shared.folded()
        # 1 + gamma comes out of the convolution as it is.
        bias = torch.cat((gamma.bias + 1, beta.bias))
        self.modulate = plain_conv(torch.cat((gamma.weight, beta.weight)), bias, padding=1)
        scale, shift = batch_norm_affine(spade.norm)
        self.register_buffer("scale", scale.view(1, -1, 1, 1))
        self.register_buffer("shift", shift.view(1, -1, 1, 1))

    def forward(self, x: Tensor, modulation: Tensor) -> Tensor:
        """Normalise and modulate, then the leaky ReLU that follows in a block."""
        hidden = F.leaky_relu_(self.shared_conv(modulation), LEAK)
        gamma, beta = self.modulate(hidden).chunk(2, dim=1)
        normalised = torch.addcmul(self.shift, x, self.scale)
        return F.leaky_relu_(torch.addcmul(beta, normalised, gamma), LEAK)


class FoldedSpadeResBlock(nn.Module):
    """`SpadeResBlock` of folded parts."""

    def __init__(self, block: SpadeResBlock) -> None:
        super().__init__()
        self.shortcut = block.non_identity_shortcut.folded()
        self.spade1 = FoldedSpade(block.spade1)
        self.conv1 = block.conv1.folded()
        self.spade2 = FoldedSpade(block.spade2)
        self.conv2 = block.conv2.folded()

    def forward(self, x: Tensor, modulation: Tensor) -> Tensor:
        """Apply the block."""
        y = self.conv1(self.spade1(x, modulation))
        y = self.conv2(self.spade2(y, modulation))
        out: Tensor = self.shortcut(x).add_(y)
        return out


def fold_blocks(module: Module) -> Module:
    """Replace every shared block and every wide convolution inside a module by its inference form, in place."""
    _replace_blocks(module)
    use_winograd(module)
    return module.requires_grad_(False)


def _replace_blocks(module: nn.Module) -> None:
    for name, child in module.named_children():
        if isinstance(child, UpBlock) and _gains_from_phases(child.conv):
            setattr(module, name, FoldedUpBlock(child))
        elif isinstance(child, LayerNormUpBlock):
            setattr(module, name, FoldedLayerNormUpBlock(child))
        elif type(child) is SameBlock and isinstance(child.conv, nn.Conv3d):
            setattr(module, name, FoldedVolumeBlock(child))
        elif isinstance(child, SameBlock):
            setattr(module, name, FoldedBlock(child))
        elif isinstance(child, ResBlock):
            setattr(module, name, FoldedResBlock(child))
        elif isinstance(child, SpadeResBlock):
            setattr(module, name, FoldedSpadeResBlock(child))
        elif isinstance(child, SpadeDecoder):
            setattr(module, name, FoldedSpadeDecoder(child))
        elif isinstance(child, SpectralConv2d):
            setattr(module, name, child.folded())
        else:
            _replace_blocks(child)


def _gains_from_phases(conv: nn.Module) -> bool:
    """Return True if phases, which have more weights and fewer products, take less time than the block itself."""
    return not isinstance(conv, nn.Conv3d) or conv.in_channels * conv.out_channels <= MOST_VOLUME_WEIGHTS
