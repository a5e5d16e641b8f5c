"""Blocks of the networks that face coefficients modulate: PIRenderer's, which other methods of its family build on.

Attribute names are those of PIRenderer's published checkpoints. A code (B, D) modulates maps (B, C, H, W); maps of
batch 1 serve codes of any batch.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reenact.nn.blocks import LEAK, double_size, halve_size
from reenact.nn.layout import has_inner_channels

HIDDEN = 128
"""Width of the layer between a code and the scales and shifts that it gives."""
INSTANCE_EPS = 1e-5
"""Constant that PyTorch's instance norm adds to a variance."""


class LayerNorm2d(nn.GroupNorm):
    """Layer norm over channels, height and width of a sample, with one weight and bias for each channel.

    Args:
        channels: of the maps.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(1, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise maps."""
        if not has_inner_channels(x):
            return super().forward(x)
        # PyTorch's group norm loses digits where channels are innermost.
        normalised = F.layer_norm(_list_pixels(x).flatten(1), (x[0].numel(),), eps=self.eps).view(_list_pixels(x).shape)
        return _place_pixels(torch.addcmul(self.bias, normalised, self.weight), x)


class AdaIN(nn.Module):
    """Instance norm whose scales and shifts come from a code: `norm(x) * (1 + gamma(z)) + beta(z)`.

    Args:
        channels: of the maps, which have more than one pixel.
        code: length of the code.
    """

    def __init__(self, channels: int, code: int) -> None:
        super().__init__()
        self.mlp_shared = nn.Sequential(nn.Linear(code, HIDDEN), nn.ReLU())
        self.mlp_gamma = nn.Linear(HIDDEN, channels)
        self.mlp_beta = nn.Linear(HIDDEN, channels)

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        """Normalise maps and modulate them."""
        return self.modulate(normalise_instances(x), code)

    def modulate(self, normalised: Tensor, code: Tensor) -> Tensor:
        """Modulate maps that are normalised already."""
        hidden = self.mlp_shared(code)
        gamma, beta = self.mlp_gamma(hidden)[..., None, None], self.mlp_beta(hidden)[..., None, None]
        return torch.addcmul(beta, normalised, 1 + gamma)


class AdaINDownBlock(nn.Module):
    """Two modulated convolutions, the first of stride 2: (B, in, H, W) to (B, out, H / 2, W / 2).

    Args:
        channels_in: of the input.
        channels_out: of the output.
        code: length of the code.
    """

    def __init__(self, channels_in: int, channels_out: int, code: int) -> None:
        super().__init__()
        self.conv_0 = nn.Conv2d(channels_in, channels_out, 4, stride=2, padding=1)
        self.conv_1 = nn.Conv2d(channels_out, channels_out, 3, padding=1)
        self.norm_0 = AdaIN(channels_in, code)
        self.norm_1 = AdaIN(channels_out, code)

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        """Apply the block."""
        return self.continue_from(normalise_instances(x), code)

    def continue_from(self, normalised: Tensor, code: Tensor) -> Tensor:
        """Apply the block to maps that are normalised already."""
        x = self.conv_0(_activate(self.norm_0.modulate(normalised, code)))
        out: Tensor = self.conv_1(_activate(self.norm_1(x, code)))
        return out


class AdaINUpBlock(nn.Module):
    """Two modulated convolutions, the second transposed, beside a transposed one: (B, in, H, W) to (B, out, 2H, 2W).

    Args:
        channels_in: of the input.
        channels_out: of the output.
        code: length of the code.
    """

    def __init__(self, channels_in: int, channels_out: int, code: int) -> None:
        super().__init__()
        self.conv_0 = nn.Conv2d(channels_in, channels_out, 3, padding=1)
        self.conv_1 = nn.ConvTranspose2d(channels_out, channels_out, 3, stride=2, padding=1, output_padding=1)
        self.conv_s = nn.ConvTranspose2d(channels_in, channels_out, 3, stride=2, padding=1, output_padding=1)
        self.norm_0 = AdaIN(channels_in, code)
        self.norm_1 = AdaIN(channels_out, code)
        self.norm_s = AdaIN(channels_in, code)

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        """Apply the block."""
        normalised = normalise_instances(x)
        y = self.conv_0(_activate(self.norm_0.modulate(normalised, code)))
        y = self.conv_1(_activate(self.norm_1(y, code)))
        out: Tensor = self.conv_s(_activate(self.norm_s.modulate(normalised, code))) + y
        return out


class AdaINResBlock(nn.Module):
    """A convolution, modulated, and the input: (B, C, H, W) to the same size.

    The released block computes another convolution and norm first and discards their result; they are left out.

    Args:
        channels: of input and output.
        code: length of the code.
    """

    def __init__(self, channels: int, code: int) -> None:
        super().__init__()
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm2 = AdaIN(channels, code)

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        """Apply the block."""
        out: Tensor = self.norm2(self.conv2(x), code) + x
        return out


class LayerNormBlock(nn.Module):
    """Convolution, `LayerNorm2d`, leaky ReLU: (B, in, H, W) to (B, out, H, W).

    Args:
        channels_in: of the input.
        channels_out: of the output.
        kernel_size: of the convolution, odd; the border is padded with zeros.
    """

    def __init__(self, channels_in: int, channels_out: int, kernel_size: int = 3) -> None:
        super().__init__()
        conv = nn.Conv2d(channels_in, channels_out, kernel_size, padding=kernel_size // 2)
        self.model = nn.Sequential(conv, LayerNorm2d(channels_out), nn.LeakyReLU(LEAK, inplace=True))

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        out: Tensor = self.model(x)
        return out


class LayerNormDownBlock(LayerNormBlock):
    """A `LayerNormBlock` and average pooling: (B, in, H, W) to (B, out, H / 2, W / 2)."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        return halve_size(super().forward(x))


class LayerNormUpBlock(LayerNormBlock):
    """Nearest-neighbour upsampling and a `LayerNormBlock`: (B, in, H, W) to (B, out, 2H, 2W)."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        return super().forward(double_size(x))


def normalise_instances(x: Tensor) -> Tensor:
    """Instance norm of maps (B, C, H, W), in their memory format."""
    if not has_inner_channels(x):
        return F.instance_norm(x)
    pixels = _list_pixels(x)
    centred = pixels - pixels.mean(1, keepdim=True)
    return _place_pixels(centred * torch.rsqrt((centred * centred).mean(1, keepdim=True) + INSTANCE_EPS), x)


def _list_pixels(x: Tensor) -> Tensor:
    """Pixels (B, H W, C) of maps (B, C, H, W) whose channels are innermost."""
    return x.permute(0, 2, 3, 1).flatten(1, 2)


def _place_pixels(pixels: Tensor, like: Tensor) -> Tensor:
    """Maps of the size of `like` of pixels (B, H W, C)."""
    return pixels.view(len(like), *like.shape[-2:], -1).permute(0, 3, 1, 2)


def _activate(modulated: Tensor) -> Tensor:
    """Leaky ReLU, in place where no gradient is computed."""
    return F.leaky_relu(modulated, LEAK, inplace=not modulated.requires_grad)


def initialise_normal(module: nn.Module, std: float) -> None:
    """Draw the weights of convolutions and linear layers from N(0, `std`) and set their biases to 0, in place."""
    for part in module.modules():
        if isinstance(part, nn.Conv1d | nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.normal_(part.weight, 0.0, std)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
