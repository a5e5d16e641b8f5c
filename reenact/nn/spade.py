"""Spatially adaptive denormalisation on instance norm (Park et al. 2019): the layer, its residual block, a decoder."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reenact.nn.conv import SpectralConv2d


class InstanceSpade(nn.Module):
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


class InstanceSpadeBlock(nn.Module):
    """Residual block of two SPADE layers, projected where widths differ.

    Args:
        channels_in: of the input.
        channels_out: of the output.
        style: channels of the style map.
        hidden: channels inside a SPADE layer.
        conv: the block's own convolutions.
        slope: negative slope of the activations.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        style: int,
        hidden: int,
        *,
        conv: type[SpectralConv2d] | type[nn.Conv2d] = SpectralConv2d,
        slope: float = 0.2,
    ) -> None:
        super().__init__()
        inner = min(channels_in, channels_out)
        self.slope = slope
        self.conv_0 = conv(channels_in, inner, 3, padding=1)
        self.conv_1 = conv(inner, channels_out, 3, padding=1)
        self.norm_0 = InstanceSpade(channels_in, style, hidden)
        self.norm_1 = InstanceSpade(inner, style, hidden)
        self.projected = channels_in != channels_out
        if self.projected:
            self.conv_s = conv(channels_in, channels_out, 1, bias=False)
            self.norm_s = InstanceSpade(channels_in, style, hidden)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """Apply the block to maps (B, in, H, W) and a style (B, S, h, w)."""
        y = self.conv_0(F.leaky_relu(self.norm_0(x, style), self.slope))
        y = self.conv_1(F.leaky_relu(self.norm_1(y, style), self.slope))
        if self.projected:
            x = self.conv_s(self.norm_s(x, style))
        out: Tensor = x + y
        return out


class SpadeDecoder(nn.Module):
    """Six SPADE blocks, two doublings, RGB; names as in the checkpoints of Face-vid2vid and LivePortrait.

    Args:
        style: channels of the projected volume, which is both input and style.
        last: channels after the two doublings.
        hidden: channels inside a SPADE layer.
        upscale: factor on height and width of the last convolution, whose channels become pixels.
    """

    def __init__(self, style: int, last: int, hidden: int, upscale: int = 1) -> None:
        super().__init__()
        self.fc = nn.Conv2d(style, 2 * style, 3, padding=1)
        for index in range(6):
            setattr(self, f"G_middle_{index}", InstanceSpadeBlock(2 * style, 2 * style, style, hidden))
        self.up_0 = InstanceSpadeBlock(2 * style, style, style, hidden)
        self.up_1 = InstanceSpadeBlock(style, last, style, hidden)
        conv = nn.Conv2d(last, 3 * upscale**2, 3, padding=1)
        self.conv_img = conv if upscale == 1 else nn.Sequential(conv, nn.PixelShuffle(upscale))

    def draw_maps(self, style: Tensor) -> Tensor:
        """(B, style, h, w) to the maps (B, last, 4 h, 4 w) before the picture."""
        x: Tensor = self.fc(style)
        for index in range(6):
            x = getattr(self, f"G_middle_{index}")(x, style)
        for block in (self.up_0, self.up_1):
            x = block(F.interpolate(x, scale_factor=2.0, mode="nearest"), style)
        return x

    def forward(self, style: Tensor) -> Tensor:
        """(B, style, h, w) to images (B, 3, 4 h upscale, 4 w upscale) in [0, 1]."""
        return torch.sigmoid(self.conv_img(F.leaky_relu(self.draw_maps(style), 0.2)))
