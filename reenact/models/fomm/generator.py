"""FOMM's networks: keypoint detector, dense motion and generator; images are in [0, 1].

They are `modules/{keypoint_detector,dense_motion,generator}.py` of the released code; names as in its checkpoints.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reenact.faces.fields import TensorFields
from reenact.nn.blocks import DownBlock, ResBlock, SameBlock, UpBlock
from reenact.nn.hourglass import Hourglass
from reenact.nn.keypoints import average_position, draw_gaussians, multiply_matrices, sparse_motions, spatial_softmax
from reenact.nn.resample import AntiAliasDown, sample_image

TEMPERATURE = 0.1
"""Temperature of the softmax over positions (every official configuration)."""
VARIANCE = 0.01
"""Variance of the gaussians around keypoints (`kp_variance`, every official configuration)."""


@dataclass
class Keypoints(TensorFields):
    """Motion of a portrait in FOMM: keypoints and Jacobians; coordinates as in `reenact.nn.keypoints`."""

    value: Tensor
    """(..., K, 2) positions."""
    jacobian: Tensor
    """(..., K, 2, 2) how the neighbourhood of each is turned and stretched; only ratios `J_s J_d^-1` mean something."""


class KeypointDetector(nn.Module):
    """Heatmaps of an hourglass on the reduced image; positions and Jacobians are expectations under them.

    Args:
        keypoints: K.
        base: width of the hourglass.
        largest: its largest width.
        blocks: its halvings.
        reduction: factor by which the image is made smaller first.
        padding: rows and columns of zeros around the features before the two heads.
    """

    def __init__(self, keypoints: int, base: int, largest: int, blocks: int, reduction: int, padding: int = 0) -> None:
        super().__init__()
        self.down = AntiAliasDown(reduction)
        self.predictor = Hourglass(3, base, largest, blocks)
        self.kp = nn.Conv2d(self.predictor.channels_out, keypoints, 7, padding=padding)
        self.jacobian = nn.Conv2d(self.predictor.channels_out, 4 * keypoints, 7, padding=padding)
        nn.init.zeros_(self.jacobian.weight)
        assert self.jacobian.bias is not None
        with torch.no_grad():
            self.jacobian.bias.copy_(torch.eye(2).flatten().repeat(keypoints))

    def forward(self, image: Tensor) -> Keypoints:
        """Keypoints of images (B, 3, H, W) in [0, 1]."""
        features = self.predictor(self.down(image))
        heatmap = spatial_softmax(self.kp(features), TEMPERATURE)
        maps = self.jacobian(features).float()
        maps = maps.view(*heatmap.shape[:2], 4, *heatmap.shape[2:])
        jacobian = (heatmap.unsqueeze(2) * maps).sum((3, 4)).view(*heatmap.shape[:2], 2, 2)
        return Keypoints(average_position(heatmap), jacobian)


@dataclass
class DenseMotion(TensorFields):
    """A backward flow and what of the source it can't show."""

    position: Tensor
    """(B, h, w, 2) where each driving pixel lies in the source, as `reenact.nn.resample.sample_image` takes it."""
    mask: Tensor
    """(B, K + 1, h, w) weights of the keypoints' motions, the first that of standing still."""
    occlusion: Tensor
    """(B, 1, h, w) in [0, 1]; 1 where the source shows it."""


class DenseMotionNetwork(nn.Module):
    """Weighs the local motions of all keypoints (eq. 3 to 5), and predicts occlusion.

    Args:
        keypoints: K.
        base: width of the hourglass.
        largest: its largest width.
        blocks: its halvings.
        reduction: factor by which the image is made smaller first.
    """

    def __init__(self, keypoints: int, base: int, largest: int, blocks: int, reduction: int) -> None:
        super().__init__()
        self.down = AntiAliasDown(reduction)
        self.hourglass = Hourglass((keypoints + 1) * 4, base, largest, blocks)
        self.mask = nn.Conv2d(self.hourglass.channels_out, keypoints + 1, 7, padding=3)
        self.occlusion = nn.Conv2d(self.hourglass.channels_out, 1, 7, padding=3)

    def forward(self, reduced: Tensor, source: Keypoints, driving: Keypoints) -> DenseMotion:
        """The motion from the source to every driving set of keypoints.

        Args:
            reduced: `down` of the source image, (B, 3, h, w), or of batch 1.
            source: its keypoints.
            driving: B sets of keypoints.
        """
        sizes = reduced.shape[-2:]
        jacobian = multiply_matrices(source.jacobian, torch.linalg.inv(driving.jacobian))
        motions = sparse_motions(source.value, driving.value, sizes, jacobian)
        batch, slots = motions.shape[:2]
        heat = draw_gaussians(driving.value, sizes, VARIANCE) - draw_gaussians(source.value, sizes, VARIANCE)
        heat = torch.cat((torch.zeros_like(heat[:, :1]), heat), dim=1)
        images = reduced.expand(batch, -1, -1, -1).repeat_interleave(slots, dim=0)
        moved = sample_image(images, motions.flatten(0, 1)).view(batch, slots, 3, *sizes)
        features = self.hourglass(torch.cat((heat.unsqueeze(2), moved), dim=2).flatten(1, 2))
        mask = torch.softmax(self.mask(features), dim=1)
        position = (mask.unsqueeze(-1) * motions).sum(1)
        return DenseMotion(position, mask, torch.sigmoid(self.occlusion(features)))


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
