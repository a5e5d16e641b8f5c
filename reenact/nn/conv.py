"""Convolutions with spectral norm, and folding of norms into plain convolutions for inference."""

from __future__ import annotations

from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Conv = TypeVar("Conv", nn.Conv2d, nn.Conv3d)


class SpectralConv2d(nn.Module):
    """A convolution divided by an estimate of its largest singular value.

    The estimate is `u . (W v)` with W the weight as (out, in * k * k), after one power iteration per training forward
    (Miyato et al. 2018, algorithm 1). Parameters and buffers carry the names of `torch.nn.utils.spectral_norm`
    (`weight_orig`, `weight_u`, `weight_v`), so that published weights load; that hook itself keeps a non-leaf weight on
    the module, which copies and compiled graphs can't take.
    """

    weight_u: Tensor
    weight_v: Tensor

    def __init__(
        self, channels_in: int, channels_out: int, kernel_size: int, padding: int = 0, *, bias: bool = True
    ) -> None:
        super().__init__()
        plain = nn.Conv2d(channels_in, channels_out, kernel_size, bias=bias)
        self.padding = padding
        self.weight_orig = nn.Parameter(plain.weight.detach())
        self.bias = nn.Parameter(plain.bias.detach()) if plain.bias is not None else None
        self.register_buffer("weight_u", _draw_direction(channels_out))
        self.register_buffer("weight_v", _draw_direction(plain.weight[0].numel()))

    def weight(self) -> Tensor:
        """The normalised weight (out, in, k, k); a power iteration comes first in training mode."""
        matrix = self.weight_orig.flatten(1)
        if self.training:
            self._iterate(matrix.detach())
        # The next training forward overwrites u and v in place while this graph may still wait for its backward.
        u, v = self.weight_u.clone(), self.weight_v.clone()
        return self.weight_orig / torch.dot(u, torch.mv(matrix, v))

    @torch.no_grad()
    def _iterate(self, matrix: Tensor) -> None:
        self.weight_v.copy_(F.normalize(torch.mv(matrix.t(), self.weight_u), dim=0, eps=1e-12))
        self.weight_u.copy_(F.normalize(torch.mv(matrix, self.weight_v), dim=0, eps=1e-12))

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (B, in, H, W) at stride 1."""
        with torch.autocast(x.device.type, enabled=False):
            weight = self.weight()
        return F.conv2d(x, weight, self.bias, padding=self.padding)

    @torch.no_grad()
    def folded(self) -> nn.Conv2d:
        """The plain convolution that gives the same outputs in evaluation mode."""
        sigma = torch.dot(self.weight_u, torch.mv(self.weight_orig.flatten(1), self.weight_v))
        return plain_conv(self.weight_orig / sigma, self.bias, self.padding)


def _draw_direction(length: int) -> Tensor:
    """Return a random unit vector (length,)."""
    vector = torch.randn(length)
    # Without memory there is nothing to normalise, and each operation takes a millisecond.
    return vector if vector.is_meta else F.normalize(vector, dim=0, eps=1e-12)


def plain_conv(weight: Tensor, bias: Tensor | None, padding: int) -> nn.Conv2d:
    """A stride-1 convolution with the given weight (out, in, h, w) and bias (out,)."""
    channels_out, channels_in, height, width = weight.shape
    biased = bias is not None
    conv = nn.Conv2d(channels_in, channels_out, (height, width), padding=padding, bias=biased, device="meta")
    return _take_weights(conv, weight, bias)


def plain_volume_conv(weight: Tensor, bias: Tensor | None, padding: int) -> nn.Conv3d:
    """A stride-1 convolution of volumes with the given weight (out, in, d, h, w) and bias (out,)."""
    channels_out, channels_in, *kernel = weight.shape
    size = kernel[0], kernel[1], kernel[2]
    biased = bias is not None
    return _take_weights(
        nn.Conv3d(channels_in, channels_out, size, padding=padding, bias=biased, device="meta"), weight, bias
    )


def _take_weights(conv: Conv, weight: Tensor, bias: Tensor | None) -> Conv:
    conv.weight = nn.Parameter(weight.detach().clone(), requires_grad=False)
    if bias is not None:
        conv.bias = nn.Parameter(bias.detach().clone(), requires_grad=False)
    return conv


@torch.no_grad()
def batch_norm_affine(norm: nn.BatchNorm2d | nn.BatchNorm3d) -> tuple[Tensor, Tensor]:
    """Scale and shift (C,) each, with `norm(x) = x * scale + shift` in evaluation mode."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = torch.rsqrt(norm.running_var + norm.eps)
    if norm.affine:
        scale = scale * norm.weight
    shift = -norm.running_mean * scale
    return scale, shift + norm.bias if norm.affine else shift
