"""Turned squares of images, which landmark networks read: cutting them out, and bringing points back.

A region is (B, 2, 3): the affine map from the square's coordinates to the image's, both in normalised device
coordinates (x right, y down; [-1, 1] spans the square edge to edge, `align_corners=False`). Images are square.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def whole_region(image: Tensor) -> Tensor:
    """The region (B, 2, 3) that is all of images (B, C, H, H)."""
    return torch.eye(2, 3, device=image.device).expand(len(image), 2, 3)


def turned_region(centre: Tensor, half: Tensor, direction: Tensor) -> Tensor:
    """Regions (B, 2, 3) around centres (B, 2), of half a side (B), whose x axis has a direction (B, 2)."""
    x, y = (half.unsqueeze(1) * F.normalize(direction, dim=1)).unbind(1)
    return torch.stack((x, -y, centre[:, 0], y, x, centre[:, 1]), dim=1).view(-1, 2, 3)


def cut_region(image: Tensor, region: Tensor, side: int) -> Tensor:
    """Cut regions out of images (B, C, H, H): (B, C, side, side), the border repeated beyond the image."""
    grid = F.affine_grid(region, [len(image), image.shape[1], side, side], align_corners=False)
    return F.grid_sample(image.float(), grid, padding_mode="border", align_corners=False)


def points_in_image(points: Tensor, region: Tensor) -> Tensor:
    """Points (B, N, 2) of regions in the images' coordinates."""
    x, y = points[..., :1], points[..., 1:]
    # Written out: mixed precision would round a product of matrices.
    return region[:, None, :, 0] * x + region[:, None, :, 1] * y + region[:, None, :, 2]
