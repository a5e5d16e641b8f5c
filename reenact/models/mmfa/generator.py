"""MMFA's generator: the warped volume decoded at three sizes, each with an image of its own (section 3.1, part c)."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from reenact.nn.blocks import ResBlock, SameBlock, UpBlock
from reenact.nn.volume import VolumeMotion, project_volume


class Stage(nn.Module):
    """Residual blocks and an image in [0, 1] at one size."""

    def __init__(self, width: int, blocks: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(ResBlock(width) for _ in range(blocks)))
        self.image = nn.Conv2d(width, 3, 7, padding=3)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Features and image of features (B, C, H, W)."""
        x = self.blocks(x)
        return x, torch.sigmoid(self.image(x))


class MultiScaleGenerator(nn.Module):
    """From a source's volume and a motion through it to images, each size seeing the image of the one before.

    Args:
        channels: of the volume.
        depth: of the volume.
        widths: channels at the volume's size and after every doubling.
        blocks: residual blocks at each size; one in the paper.
    """

    def __init__(self, channels: int, depth: int, widths: list[int], blocks: int) -> None:
        super().__init__()
        self.third = SameBlock(channels * depth, widths[0], conv=nn.Conv2d, slope=0.01)
        self.fourth = nn.Conv2d(widths[0], widths[0], 1)
        self.stages = nn.ModuleList(Stage(width, blocks) for width in widths)
        self.ups = nn.ModuleList(UpBlock(a + 3, b, conv=nn.Conv2d, slope=0.0) for a, b in pairwise(widths))

    def forward(self, volume: Tensor, motion: VolumeMotion) -> list[Tensor]:
        """Images in [0, 1], coarse to fine, of a volume (B, C, D, h, w) of batch B or 1."""
        x = project_volume(self.third, self.fourth, volume, motion) * motion.occlusion
        images: list[Tensor] = []
        for index, stage in enumerate(self.stages):
            if index:
                x = self.ups[index - 1](torch.cat((x, images[-1]), dim=1))
            x, image = stage(x)
            images.append(image)
        return images
