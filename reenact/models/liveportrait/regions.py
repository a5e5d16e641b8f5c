"""Squares around face and lips by 68 landmarks, for the losses that look at them."""

from __future__ import annotations

import torch
from torch import Tensor

from reenact.nn.regions import cut_region, turned_region

FACE_ROOM = 1.1
"""Side of the square of the face over the longer side of the landmarks' box."""
LIP_ROOM = 1.3
"""Side of the square of the lips over the width of the mouth."""
REDUCTIONS = {"face": 2, "lip": 4}
"""Regions -> side of the image over that of the region's picture."""


def cut_parts(image: Tensor, landmarks: Tensor) -> dict[str, Tensor]:
    """Pictures (B, 3, h, h) of face and lips, by the names of `REDUCTIONS`, of images (B, 3, H, H).

    Args:
        image: the images.
        landmarks: (B, 68, 2) in their pixels.
    """
    side = image.shape[-1]
    points = (landmarks * (2 / side) - 1).to(image.dtype)
    regions = {"face": _square_around(points, FACE_ROOM), "lip": _square_around(points[:, 48:], LIP_ROOM)}
    return {name: cut_region(image, region, max(1, side // REDUCTIONS[name])) for name, region in regions.items()}


def _square_around(points: Tensor, room: float) -> Tensor:
    low, high = points.amin(1), points.amax(1)
    upright = torch.tensor([[1.0, 0.0]], device=points.device).expand(len(points), 2)
    return turned_region((low + high) / 2, room / 2 * (high - low).amax(1), upright)
