"""Convolutional blocks that two or more methods use."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from reenact.nn.conv import SpectralConv2d

LEAK = 0.1
"""Negative slope of every leaky ReLU in PWM (`Model/layers.py` of its released code)."""
ConvType = type[SpectralConv2d] | type[nn.Conv2d] | type[nn.Conv3d]
"""Convolution layer of a block."""


class SameBlock(nn.Module):
    """Convolution, batch norm, leaky ReLU: (B, in, H, W) to (B, out, H, W).

    Args:
        channels_in: of the input.
        channels_out: of the output.
        kernel_size: of the convolution.
        padding: of the convolution.
        conv: the convolution; with `nn.Conv3d` maps are volumes (B, C, D, H, W), of which no block changes the depth.
        slope: negative slope of the activation; 0 is a plain ReLU.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel_size: int = 3,
        padding: int = 1,
        *,
        conv: ConvType = SpectralConv2d,
        slope: float = LEAK,
    ) -> None:
        super().__init__()
        self.conv = conv(channels_in, channels_out, kernel_size, padding=padding)
        self.norm = nn.BatchNorm3d(channels_out) if conv is nn.Conv3d else nn.BatchNorm2d(channels_out)
        self.slope = slope

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        return F.leaky_relu(self.norm(self.conv(x)), self.slope)


class DownBlock(SameBlock):
    """A `SameBlock` and average pooling: (B, in, H, W) to (B, out, H // 2, W // 2) with padding 1 and kernel 3."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        return halve_size(super().forward(x))


class UpBlock(SameBlock):
    """Nearest-neighbour upsampling and a `SameBlock`: (B, in, H, W) to (B, out, 2H, 2W)."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        return super().forward(double_size(x))


def halve_size(x: Tensor) -> Tensor:
    """Average pooling of height and width by two; maps (B, C, H, W) or volumes (B, C, D, H, W)."""
    return F.avg_pool2d(x, 2) if x.ndim == 4 else F.avg_pool3d(x, (1, 2, 2))


def double_size(x: Tensor) -> Tensor:
    """Every pixel twice in height and width; maps (B, C, H, W) or volumes (B, C, D, H, W)."""
    return F.interpolate(x, scale_factor=(2.0, 2.0) if x.ndim == 4 else (1.0, 2.0, 2.0), mode="nearest")


class ResBlock(nn.Module):
    """x plus twice (batch norm, ReLU, convolution of kernel 3) of it; first-order motion model's `ResBlock2d`.

    Args:
        channels: of input and output.
        conv: as of `SameBlock`.
    """

    def __init__(self, channels: int, *, conv: ConvType = nn.Conv2d) -> None:
        super().__init__()
        norm = nn.BatchNorm3d if conv is nn.Conv3d else nn.BatchNorm2d
        self.conv1 = conv(channels, channels, 3, padding=1)
        self.conv2 = conv(channels, channels, 3, padding=1)
        self.norm1 = norm(channels)
        self.norm2 = norm(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        y = self.conv1(F.relu(self.norm1(x)))
        y = self.conv2(F.relu(self.norm2(y)))
        out: Tensor = x + y
        return out


class Spade(nn.Module):
    """Spatially adaptive denormalisation (Park et al. 2019, eq. 1) with batch norm and spectral norm.

    `norm(x) * (1 + gamma(m)) + beta(m)` for x (B, C, H, W) and the modulation m (B, M, H, W).
    """

    def __init__(self, channels: int, modulation: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.shared_conv = nn.Sequential(SpectralConv2d(modulation, hidden, 3, 1), nn.LeakyReLU(LEAK))
        self.gamma_conv = SpectralConv2d(hidden, channels, 3, 1)
        self.beta_conv = SpectralConv2d(hidden, channels, 3, 1)

    def forward(self, x: Tensor, modulation: Tensor) -> Tensor:
        """Normalise and modulate."""
        hidden = self.shared_conv(modulation)
        modulated: Tensor = self.norm(x) * (1 + self.gamma_conv(hidden)) + self.beta_conv(hidden)
        return modulated


class SpadeResBlock(nn.Module):
    """Residual block of two SPADE layers: x (B, in, H, W), modulation (B, M, H, W) to (B, out, H, W), in != out."""

    def __init__(self, channels_in: int, channels_out: int, modulation: int, hidden: int) -> None:
        super().__init__()
        self.non_identity_shortcut = SpectralConv2d(channels_in, channels_out, 1)
        self.spade1 = Spade(channels_in, modulation, hidden)
        self.conv1 = SpectralConv2d(channels_in, channels_out, 3, 1)
        self.spade2 = Spade(channels_out, modulation, hidden)
        self.conv2 = SpectralConv2d(channels_out, channels_out, 3, 1)

    def forward(self, x: Tensor, modulation: Tensor) -> Tensor:
        """Apply the block."""
        y = self.conv1(F.leaky_relu(self.spade1(x, modulation), LEAK))
        shortcut: Tensor = self.non_identity_shortcut(x)
        residual: Tensor = self.conv2(F.leaky_relu(self.spade2(y, modulation), LEAK))
        return shortcut + residual
