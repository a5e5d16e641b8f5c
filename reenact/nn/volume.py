"""Networks on feature volumes that several methods share: canonical keypoints, appearance, dense motion.

Attribute names are those of the checkpoints of `zhanglonghao1992/One-Shot_Free-View_Neural_Talking_Head_Synthesis`.
Images are in [0, 1]; volumes are (B, C, D, H, W); coordinates as in `reenact.nn.keypoints`. A map of C * D channels is
a volume channel by channel: its channel c D + d is slice d of channel c.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reenact.nn.blocks import DownBlock, ResBlock, SameBlock, UpBlock
from reenact.nn.hourglass import Hourglass, list_widths
from reenact.nn.keypoints import average_position, draw_gaussians, sparse_motions, spatial_softmax
from reenact.nn.resample import AntiAliasDown, sample_image

TEMPERATURE = 0.1
"""Temperature of the softmax over positions (every official configuration)."""
VARIANCE = 0.01
"""Variance of the gaussians around keypoints (`kp_variance`)."""


class VolumeHourglass(nn.Module):
    """Down in the plane, up in space, without skips: (B, 3, H, W) to (B, base, D, H, W)."""

    def __init__(self, base: int, largest: int, blocks: int, channels: int, depth: int) -> None:
        super().__init__()
        down = list_widths(base, largest, blocks)
        up = [*reversed(down), min(largest, base)]
        self.depth = depth
        self.down_blocks = nn.Sequential()
        self.up_blocks = nn.Sequential()
        for i, (a, b) in enumerate(zip((3, *down), down, strict=False)):
            self.down_blocks.add_module(f"down{i}", DownBlock(a, b, conv=nn.Conv2d, slope=0.0))
        for i, (a, b) in enumerate(pairwise(up)):
            self.up_blocks.add_module(f"up{i}", UpBlock(a, b, conv=nn.Conv3d, slope=0.0))
        self.conv = nn.Conv2d(down[-1], channels * depth, 1)
        self.channels_out = up[-1]

    def forward(self, image: Tensor) -> Tensor:
        """Apply it."""
        flat = self.conv(self.down_blocks(image))
        volume: Tensor = self.up_blocks(as_volume(flat, self.depth))
        return volume


class CanonicalDetector(nn.Module):
    """Canonical keypoints of a person: what the face's points would be looking ahead, without expression.

    Args:
        keypoints: K.
        base: width at full size of the volume.
        largest: its largest width, and that of the coarsest volume.
        blocks: halvings of the image.
        depth: D.
        reduction: factor by which the image is made smaller first.
    """

    def __init__(self, keypoints: int, base: int, largest: int, blocks: int, depth: int, reduction: int) -> None:
        super().__init__()
        self.down = AntiAliasDown(reduction)
        channels = list_widths(base, largest, blocks)[-1]
        self.predictor = VolumeHourglass(base, largest, blocks, channels, depth)
        self.kp = nn.Conv3d(self.predictor.channels_out, keypoints, 3, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        """Keypoints (B, K, 3) of images (B, 3, H, W)."""
        return average_position(spatial_softmax(self.kp(self.predictor(self.down(image))), TEMPERATURE))


class AppearanceExtractor(nn.Module):
    """The feature volume of a source: (B, 3, H, W) to (B, C, D, H / 4, W / 4) with the official two halvings.

    Args:
        width: channels at full size; each halving doubles them.
        largest: largest width.
        halvings: of the image.
        channels: C.
        depth: D.
        blocks: residual blocks on the volume.
        kernel: of the first convolution.
    """

    def __init__(
        self, width: int, largest: int, halvings: int, channels: int, depth: int, blocks: int, kernel: int = 7
    ) -> None:
        super().__init__()
        inner = [width, *list_widths(width, largest, halvings)]
        self.depth = depth
        self.first = SameBlock(3, width, kernel, kernel // 2, conv=nn.Conv2d, slope=0.0)
        self.down_blocks = nn.ModuleList(DownBlock(a, b, conv=nn.Conv2d, slope=0.0) for a, b in pairwise(inner))
        self.second = nn.Conv2d(inner[-1], channels * depth, 1)
        self.resblocks_3d = nn.Sequential()
        for i in range(blocks):
            self.resblocks_3d.add_module(f"3dr{i}", ResBlock(channels, conv=nn.Conv3d))

    def forward(self, image: Tensor) -> Tensor:
        """The volume of an image."""
        x = self.first(image)
        for block in self.down_blocks:
            x = block(x)
        volume: Tensor = self.resblocks_3d(as_volume(self.second(x), self.depth))
        return volume


class VolumeMotion(NamedTuple):
    """A backward flow through a volume."""

    position: Tensor
    """(B, D, H, W, 3) where each driving voxel lies in the source."""
    mask: Tensor
    """(B, K + 1, D, H, W) weights of the keypoints' motions, the first that of standing still."""
    occlusion: Tensor
    """(B, 1, H, W) in [0, 1]; 1 where the source shows it."""
    features: Tensor
    """(B, C * D, H, W) of the hourglass, which all of these come from."""


class VolumeDenseMotion(nn.Module):
    """Weighs the motions of all keypoints in space, and predicts occlusion.

    Args:
        keypoints: K.
        base: width of the hourglass.
        largest: its largest width.
        blocks: its halvings of height and width.
        channels: C of the feature volume.
        depth: D.
        compress: channels of the volume that every motion moves.
        mask_kernel: size of the last convolution's kernel along each axis, odd.
    """

    def __init__(
        self,
        keypoints: int,
        base: int,
        largest: int,
        blocks: int,
        channels: int,
        depth: int,
        compress: int,
        *,
        mask_kernel: int = 7,
    ) -> None:
        super().__init__()
        inputs = (keypoints + 1) * (compress + 1)
        self.hourglass = Hourglass(inputs, base, largest, blocks, nn.Conv3d, joined=True)
        self.mask = nn.Conv3d(self.hourglass.channels_out, keypoints + 1, mask_kernel, padding=mask_kernel // 2)
        self.compress = nn.Conv3d(channels, compress, 1)
        self.norm = nn.BatchNorm3d(compress)
        self.occlusion = nn.Conv2d(self.hourglass.channels_out * depth, 1, 7, padding=3)

    def compressed(self, volume: Tensor) -> Tensor:
        """The part of a source's volume (B, C, D, H, W) that every motion moves; depends on the source alone."""
        return F.relu(self.norm(self.compress(volume)))

    def inputs(self, compressed: Tensor, source: Tensor, driving: Tensor, motions: Tensor) -> Tensor:
        """Compute the hourglass's input, (B, (K + 1) (1 + compressed), D, H, W)."""
        batch, slots, *sizes, _ = motions.shape
        heat = draw_gaussians(driving, sizes, VARIANCE) - draw_gaussians(source, sizes, VARIANCE)
        heat = torch.cat((torch.zeros_like(heat[:, :1]), heat), dim=1)
        volumes = compressed.expand(batch, *compressed.shape[1:]).repeat_interleave(slots, dim=0)
        moved = sample_image(volumes, motions.flatten(0, 1)).view(batch, slots, -1, *sizes)
        return torch.cat((heat.unsqueeze(2).to(moved.dtype), moved), dim=2).flatten(1, 2)

    def forward(
        self, compressed: Tensor, source: Tensor, driving: Tensor, jacobian: Tensor | None = None
    ) -> VolumeMotion:
        """The motion from the source's keypoints to the driving ones.

        Args:
            compressed: as `compressed` gives it, batch B or 1.
            source: keypoints (B, K, 3), or of batch 1.
            driving: keypoints (B, K, 3).
            jacobian: of every keypoint's motion, as in `sparse_motions`; the identity where None.
        """
        motions = sparse_motions(source, driving, compressed.shape[2:], jacobian)
        features = self.hourglass(self.inputs(compressed, source, driving, motions))
        mask = torch.softmax(self.mask(features), dim=1)
        position = (mask.unsqueeze(-1) * motions).sum(1)
        flat = features.flatten(1, 2)
        return VolumeMotion(position, mask, torch.sigmoid(self.occlusion(flat)), flat)


def project_volume(third: nn.Module, fourth: nn.Module, volume: Tensor, motion: VolumeMotion) -> Tensor:
    """Project a warped volume to a map, before occlusion.

    Args:
        third: block from the volume's channels at all depths, (B, C * D, h, w), to those of the map.
        fourth: convolution after it.
        volume: (B, C, D, h, w), or of batch 1.
        motion: the flow through it.
    """
    mapped: Tensor = fourth(third(sample_image(volume, motion.position).flatten(1, 2)))
    return mapped


def as_volume(maps: Tensor, depth: int) -> Tensor:
    """Maps (B, C * D, H, W) as a volume (B, C, D, H, W)."""
    return maps.view(maps.shape[0], -1, depth, *maps.shape[-2:])
