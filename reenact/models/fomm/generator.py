"""FOMM's generator (`modules/generator.py` of the released code; names as in its checkpoints). Images are in [0, 1]."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reenact.faces.fields import TensorFields
from reenact.models.fomm.dense_motion import DenseMotion, DenseMotionNetwork
from reenact.models.fomm.detector import Keypoints
from reenact.nn.blocks import DownBlock, ResBlock, SameBlock, UpBlock
from reenact.nn.resample import sample_image


@dataclass
class Appearance(TensorFields):
    """Features of a source that the generator warps."""

    image: Tensor
    """(B, 3, H, W) in [0, 1]."""
    reduced: Tensor
    """(B, 3, h, w) for the dense motion."""
    features: Tensor
    """(B, C, H / 4, W / 4) with the official two halvings."""


class Generator(nn.Module):
    """Features of the source, warped by the dense motion, masked by its occlusion, decoded.

    Args:
        widths: channels at full size and after every halving.
        bottleneck: residual blocks at the coarsest size.
        dense_motion: gives flow and occlusion.
    """

    def __init__(self, widths: list[int], bottleneck: int, dense_motion: DenseMotionNetwork) -> None:
        super().__init__()
        self.dense_motion_network = dense_motion
        pairs = list(pairwise(widths))
        self.first = SameBlock(3, widths[0], 7, 3, conv=nn.Conv2d, slope=0.0)
        self.down_blocks = nn.ModuleList(DownBlock(a, b, conv=nn.Conv2d, slope=0.0) for a, b in pairs)
        self.up_blocks = nn.ModuleList(UpBlock(b, a, conv=nn.Conv2d, slope=0.0) for a, b in reversed(pairs))
        self.bottleneck = nn.Sequential()
        for index in range(bottleneck):
            self.bottleneck.add_module(f"r{index}", ResBlock(widths[-1]))
        self.final = nn.Conv2d(widths[0], 3, 7, padding=3)

    def encode(self, image: Tensor) -> Appearance:
        """Encode the source image (B, 3, H, W) into all that depends on it alone."""
        features = self.first(image)
        for block in self.down_blocks:
            features = block(features)
        return Appearance(image, self.dense_motion_network.down(image), features)

    def forward(self, source: Appearance, keypoints: Keypoints, driving: Keypoints) -> tuple[Tensor, DenseMotion]:
        """Images (B, 3, H, W) of a source of batch B or 1, and the motion they came by."""
        motion: DenseMotion = self.dense_motion_network(source.reduced, keypoints, driving)
        size = source.features.shape[-2:]
        x = sample_image(source.features, resize_flow(motion.position, size))
        x = x * _resize_bilinear(motion.occlusion, size)
        x = self.bottleneck(x)
        for block in self.up_blocks:
            x = block(x)
        return torch.sigmoid(self.final(x)), motion


def resize_flow(position: Tensor, size: torch.Size) -> Tensor:
    """A flow (B, h, w, 2) at another size, bilinear with `align_corners=False`."""
    return _resize_bilinear(position.permute(0, 3, 1, 2), size).permute(0, 2, 3, 1)


def _resize_bilinear(maps: Tensor, size: torch.Size) -> Tensor:
    if maps.shape[-2:] == size:
        return maps
    return F.interpolate(maps, (size[0], size[1]), mode="bilinear", align_corners=False)
