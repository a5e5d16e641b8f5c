"""The source picture itself, moved, as the ground that the decoder paints on; not the paper's.

In a short training a decoder learns to draw blurred pictures only. A picture whose pixels are moved keeps its colours.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reenact.models.liveportrait.landmarks import FEATURES
from reenact.nn.resample import identity_grid, sample_image
from reenact.nn.residual import paint_on

REACH = 0.25
"""Distance from a keypoint, the picture being 2 wide, at which a fresh network lets go of its motion."""
NARROW_REACH = 0.06
"""Distance for keypoints on lids and lips, whose neighbours move the other way."""
STRENGTH = 3.0
"""Logit of a keypoint's motion at its place in a fresh network, that of standing still being 0."""
VARIANCE = 0.01
"""Variance of the gaussians around keypoints that the painting layers see."""


class SourcePainter(nn.Module):
    """Moves the pixels of a source by its keypoints, and adds what the decoder draws.

    The dense motion weighs keypoints at a sixteenth of the pixels. Its features give logits here, which are enlarged,
    and each keypoint's own distance is added, so that neighbouring keypoints part at any pixel: lips do.

    Args:
        keypoints: K.
        features: channels of the dense motion's features at all depths.
        channels: of the decoder's last maps.
        width: channels of the painting layers.
    """

    def __init__(self, keypoints: int, features: int, channels: int, width: int) -> None:
        super().__init__()
        self.logits = nn.Conv2d(features, keypoints + 1, 3, padding=1)
        self.strength = nn.Parameter(torch.full((keypoints,), STRENGTH))
        self.log_reach = nn.Parameter(torch.full((keypoints,), math.log(REACH)))
        self.mix = nn.Conv2d(channels + 3 + keypoints, width, 3, padding=1)
        self.inner = nn.Conv2d(width, width, 3, padding=1)
        self.colours = nn.Conv2d(width, 3, 3, padding=1)
        # A fresh painter leaves what it paints on, and keypoints move what is near them.
        for parameter in (*self.logits.parameters(), *self.colours.parameters()):
            nn.init.zeros_(parameter)
        with torch.no_grad():
            self.log_reach[list(itertools.chain(*FEATURES))] = math.log(NARROW_REACH)

    def move(self, image: Tensor, features: Tensor, source: Tensor, driving: Tensor) -> Tensor:
        """Return a source (B, 3, H, W), of batch B or 1, with its pixels moved.

        Args:
            image: the source.
            features: (B, features, h, w) of the dense motion.
            source: keypoints (B, K, 3), or of batch 1.
            driving: keypoints (B, K, 3).
        """
        sizes = image.shape[-2:]
        logits = F.interpolate(self.logits(features).float(), sizes, mode="bilinear", align_corners=False)
        near = self.strength.view(1, -1, 1, 1) - _square_distances(driving, sizes) * torch.exp(
            -2 * self.log_reach
        ).view(1, -1, 1, 1)
        weights = torch.softmax(logits + F.pad(near, (0, 0, 0, 0, 1, 0)), dim=1)
        flow = torch.einsum("bkhw,bkc->bhwc", weights[:, 1:], (source - driving)[..., :2].to(weights.dtype))
        return sample_image(image, identity_grid(sizes[0], sizes[1], flow) + flow, padding="border")

    def paint(self, maps: Tensor, moved: Tensor, source: Tensor, driving: Tensor) -> Tensor:
        """Return the result (B, 3, H, W) in [-1, 1].

        Args:
            maps: (B, channels, H, W) of the decoder.
            moved: the moved source (B, 3, H, W).
            source: as of `move`.
            driving: as of `move`.
        """
        sizes = moved.shape[-2:]
        heat = _draw_gaussians(driving, sizes) - _draw_gaussians(source, sizes)
        x = F.leaky_relu(self.mix(torch.cat((maps, moved, heat.to(maps.dtype)), dim=1)), 0.2)
        x = F.leaky_relu(self.inner(x), 0.2)
        return paint_on(self.colours(x), moved)


def _draw_gaussians(points: Tensor, sizes: Sequence[int]) -> Tensor:
    """Maps (B, K, H, W) of gaussians around keypoints (B, K, 3)."""
    return torch.exp(-0.5 / VARIANCE * _square_distances(points, sizes))


def _square_distances(points: Tensor, sizes: Sequence[int]) -> Tensor:
    """Squared distances (B, K, H, W) of the centres of pixels from keypoints (B, K, 3), in the plane."""
    height, width = sizes
    grid = identity_grid(height, width, points)
    x, y = points[..., 0, None], points[..., 1, None]
    return (grid[0, :, 0] - x).square().unsqueeze(-2) + (grid[:, 0, 1] - y).square().unsqueeze(-1)
