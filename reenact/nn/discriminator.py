"""The patch discriminator of the first-order motion model, which Face-vid2vid and MMFA share."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reenact.nn.conv import SpectralConv2d
from reenact.nn.keypoints import draw_gaussians

VARIANCE = 0.01
"""Variance of the gaussians that a discriminator sees (`kp_variance`, every official configuration)."""


class Block(nn.Module):
    """Convolution of kernel 4 without padding, instance norm, leaky ReLU, pooling."""

    def __init__(self, channels_in: int, channels_out: int, *, normed: bool, pooled: bool, spectral: bool) -> None:
        super().__init__()
        conv = SpectralConv2d if spectral else nn.Conv2d
        self.conv = conv(channels_in, channels_out, 4)
        self.norm = nn.InstanceNorm2d(channels_out, affine=True) if normed else None
        self.pooled = pooled

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, H, W) to (B, out, (H - 3) // 2, (W - 3) // 2), or not halved where it does not pool."""
        x = self.conv(x)
        if self.norm is not None:
            x = self.norm(x)
        x = F.leaky_relu(x, 0.2)
        return F.avg_pool2d(x, 2) if self.pooled else x


class ScaleDiscriminator(nn.Module):
    """Blocks, and a convolution to patch logits."""

    def __init__(self, channels_in: int, widths: Sequence[int], *, spectral: bool) -> None:
        super().__init__()
        last = len(widths) - 1
        pairs = zip((channels_in, *widths), widths, strict=False)
        self.down_blocks = nn.ModuleList(
            Block(a, b, normed=i > 0, pooled=i < last, spectral=spectral) for i, (a, b) in enumerate(pairs)
        )
        self.conv = SpectralConv2d(widths[-1], 1, 1) if spectral else nn.Conv2d(widths[-1], 1, 1)

    def forward(self, x: Tensor) -> tuple[list[Tensor], Tensor]:
        """Features of every block and logits (B, 1, h, w)."""
        features = []
        for block in self.down_blocks:
            x = block(x)
            features.append(x)
        return features, self.conv(x)


class MultiScaleDiscriminator(nn.Module):
    """The published wrapper over scales, which all three methods use at full size alone; names as in its checkpoints.

    Args:
        widths: channels of the blocks.
        channels_in: 3, and one more for each keypoint that it sees.
        spectral: spectral norm on every convolution.
    """

    def __init__(self, widths: Sequence[int], channels_in: int = 3, *, spectral: bool = True) -> None:
        super().__init__()
        self.sees_keypoints = channels_in > 3
        self.discs = nn.ModuleDict({"1": ScaleDiscriminator(channels_in, widths, spectral=spectral)})

    def forward(self, image: Tensor, points: Tensor | None = None) -> tuple[list[Tensor], Tensor]:
        """Features of every block, finest first, and logits (B, 1, h, w) of images.

        Args:
            image: (B, 3, H, W) in [0, 1], followed by the maps of the keypoints where `points` is None.
            points: (B, K, 2 or 3) driving keypoints, drawn as gaussians for a discriminator that sees them.
        """
        if self.sees_keypoints and points is not None:
            maps = draw_gaussians(points.detach()[..., :2], image.shape[-2:], VARIANCE)
            image = torch.cat((image, maps), dim=1)
        features, logits = self.discs["1"](image)
        return features, logits
