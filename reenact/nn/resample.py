"""Resampling of images and feature maps: anti-aliased reduction and backward warps."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Alignment = Literal["edges", "centres"]
"""Meaning of -1 and 1 in the identity grid: the outer edges of the border pixels, or their centres."""

Padding = Literal["zeros", "border"]
"""Values of an image outside of it."""


class AntiAliasDown(nn.Module):
    """Gaussian low-pass and reduction by an integer factor: (B, C, H, W) to (B, C, ceil(H / f), ceil(W / f)).

    First-order motion model's `AntiAliasInterpolation2d`: sigma (f - 1) / 2, kernel 2 * round(4 sigma) + 1, zero
    padding, every f-th pixel kept from 0 on. The gaussian is separable and discarded pixels are never computed: two
    strided 1-D passes give the outputs of the full 2-D convolution and slicing. Factor 1 is the identity.
    """

    kernel: Tensor

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor
        self.register_buffer("kernel", build_gaussian(factor), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Reduce the maps."""
        if self.factor == 1:
            return x
        channels, pad = x.shape[1], self.kernel.numel() // 2
        row = self.kernel.to(x.dtype).expand(channels, 1, 1, -1)
        x = F.conv2d(x, row, stride=(1, self.factor), padding=(0, pad), groups=channels)
        return F.conv2d(x, row.transpose(2, 3), stride=(self.factor, 1), padding=(pad, 0), groups=channels)


def build_gaussian(factor: int) -> Tensor:
    """The 1-D low-pass kernel of a reduction by `factor`, of sum 1."""
    if factor == 1:
        return torch.ones(1)
    sigma = (factor - 1) / 2
    radius = round(4 * sigma)
    position = torch.arange(-radius, radius + 1, dtype=torch.float32)
    kernel = torch.exp(-(position**2) / (2 * sigma**2))
    return kernel / kernel.sum()


def identity_grid(height: int, width: int, like: Tensor, alignment: Alignment = "edges") -> Tensor:
    """The (H, W, 2) grid of x (right) and y (down) coordinates of the pixel centres, on the device of `like`.

    Convention: `edges` puts pixel j of W at (2j + 1) / W - 1 (`align_corners=False`); `centres` puts it at
    2j / (W - 1) - 1 (`align_corners=True`).
    """
    axes = []
    dtype = torch.promote_types(like.dtype, torch.float32)  # half precision can't tell neighbouring pixels apart
    for size in (height, width):
        pixel = torch.arange(size, device=like.device, dtype=dtype)
        axes.append((2 * pixel + 1) / size - 1 if alignment == "edges" else 2 * pixel / (size - 1) - 1)
    y, x = torch.meshgrid(*axes, indexing="ij")
    return torch.stack((x, y), dim=-1)


def warp(image: Tensor, displacement: Tensor, grid: Alignment = "edges") -> Tensor:
    """Sample (B, C, H, W) at the identity grid plus a displacement (B, 2, h, w); returns (B, C, h, w).

    Convention: backward flow, driving to source: output pixel p shows `image` at `grid(p) + displacement(p)`. Channel
    0 is x (right), 1 is y (down); units are those of `grid_sample`, [-1, 1] spanning the image. Bilinear, zeros
    outside, `align_corners=False`. An image of batch 1 serves every displacement.

    Args:
        image: what is sampled.
        displacement: where from.
        grid: `centres` pairs an identity grid of `align_corners=True` with this sampler, as PWM's released code does:
            zero displacement then zooms by W / (W - 1) and mixes zeros into the border.
    """
    height, width = displacement.shape[-2:]
    position = identity_grid(height, width, displacement, grid) + displacement.permute(0, 2, 3, 1)
    return sample_image(image, position)


def sample_image(image: Tensor, position: Tensor, padding: Padding = "zeros") -> Tensor:
    """Values of (B, C, H, W) at positions (B, h, w, 2), or of a volume (B, C, D, H, W) at (B, d, h, w, 3).

    Convention: positions are those of `grid_sample`, x (right), y (down), z (depth index), [-1, 1] spanning the outer
    edges of the border pixels (`align_corners=False`); bilinear, outside zeros or, with padding `border`, the nearest
    pixel. An image of batch 1 serves all positions.
    """
    image = image.expand(position.shape[0], *image.shape[1:])
    # Half precision can't tell neighbouring pixels apart.
    sampled = F.grid_sample(
        image.to(position.dtype), position, mode="bilinear", padding_mode=padding, align_corners=False
    )
    return sampled.to(image.dtype)
