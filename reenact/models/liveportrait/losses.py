"""LivePortrait's own losses: keypoints guided by landmarks (section 3.2)."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from reenact.models.liveportrait.landmarks import FEATURES, GUIDED, OTHERS, guide_points

PIXELS = 128
"""Pixels to a unit of keypoints, in the picture of 256 pixels that the motion extractor reads."""
WIDTH = 10.0
"""Difference in pixels from which the wing loss is linear (w); the paper gives no number."""
CURVATURE = 2.0
"""Pixels that the logarithm begins to bend at (epsilon); the paper gives no number."""


def wing_distance(difference: Tensor, width: float = WIDTH, curvature: float = CURVATURE) -> Tensor:
    """Wing loss (Feng et al. 2018) of every coordinate: `w ln(1 + |d| / e)` below w, and |d| less a constant above."""
    size = difference.abs()
    offset = width - width * math.log(1 + width / curvature)
    return torch.where(size < width, width * torch.log1p(size / curvature), size - offset)


def shape_loss(points: Tensor, landmarks: Tensor, side: int) -> Tensor:
    """Wing loss of the places of guided keypoints about the middle of each eye and of the lips, meaned as `guide_loss`.

    Not the paper's. While whole features are still pixels away from theirs, the wing loss of places hardly sees them
    open, since the keypoints on both sides of a gap are off by the same.

    Args:
        points: keypoints (B, K, 3).
        landmarks: (B, 68, 2) in pixels of the image.
        side: of the image.
    """
    target = guide_points(landmarks).to(points.dtype) * (2 / side)
    difference = (points[:, list(GUIDED), :2] - target) * PIXELS
    groups = [difference[:, [list(GUIDED).index(point) for point in group]] for group in FEATURES]
    centred = torch.cat([group - group.mean(1, keepdim=True) for group in groups], 1)
    return wing_distance(centred).sum(-1).mean() / 2


def place_loss(places: Tensor, landmarks: Tensor, side: int) -> Tensor:
    """Half the wing loss of the first learned places, as `guide_loss`, about the landmarks of all keypoints in order.

    Not the paper's: a learned map that must lie on a feature finds it sooner than the layers behind it do.

    Args:
        places: centres (B, N, 2) of learned maps, N at least K.
        landmarks: (B, 68, 2) in pixels of the image.
        side: of the image.
    """
    return guide_loss(places, landmarks, side, GUIDED | OTHERS)


def guide_loss(points: Tensor, landmarks: Tensor, side: int, guided: Mapping[int, tuple[int, ...]] = GUIDED) -> Tensor:
    """Mean over the guided keypoints of half the wing loss of their places, summed over x and y.

    The paper halves the sum over source and driving picture; this is the term of one of them.

    Args:
        points: keypoints (B, K, 3).
        landmarks: (B, 68, 2) in pixels of the image.
        side: of the image.
        guided: keypoints -> the landmarks at whose mean they should lie.
    """
    target = guide_points(landmarks, guided) * (2 / side) - 1
    difference = (points[:, list(guided), :2] - target.to(points.dtype)) * PIXELS
    return wing_distance(difference).sum(-1).mean() / 2
