"""MMFA's own losses (eq. 7, 8, 9 and 15, guided keypoints), and the landmarks that eq. (9) compares.

The paper counts 145 landmarks, 120 of the face, 20 of the mouth and 5 of the pupils, and names neither them nor the
detector. MediaPipe's network here gives 145 of its 478 points: 115, 20 and 10, five to a pupil.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from reenact.nn.whole_batch import BatchDraws, mean_over_processes

InvarianceKind = Literal["cosine", "relative"]
"""Comparison of the features of an image and of the same image shaken: by their cosine (eq. 7), or by their distance
over that to another picture of the same person."""
GUIDES = [48, 54, 51, 57, 8, 4, 12, 0, 16, 36, 45, 19, 24, 27, 30]
"""Landmarks that may guide keypoints: corners and middle of the lips, jaw, outer corners of the eyes, brows, nose."""
GUIDES_ON_MOUTH = 4
"""Number of the first guides, which lie on the mouth."""
SPANS = [(2, 3), (0, 1), (13, 2), (4, 3), (14, 11), (9, 11), (10, 12)]
"""Pairs of guides whose distances expressions change: lips, their corners, lips to nose and chin, brows."""
LandmarkChoice = Literal["mediapipe", "fan", "probe", "none"]
"""A `LandmarkKind`, of MediaPipe's 478 points 145; or no such term."""

_CONTOUR = (10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152,
            148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109)  # fmt: skip
_EYES = (33, 7, 163, 144, 145, 153, 154, 155, 133, 246, 161, 160, 159, 158, 157, 173,
         263, 249, 390, 373, 374, 380, 381, 382, 362, 466, 388, 387, 386, 385, 384, 398)  # fmt: skip
_BROWS = (46, 53, 52, 65, 55, 70, 63, 105, 66, 107, 276, 283, 282, 295, 285, 300, 293, 334, 296, 336)
_NOSE = (168, 6, 197, 195, 5, 4, 2)
_MOUTH = (61, 39, 37, 0, 267, 269, 291, 321, 314, 17, 84, 91, 78, 82, 13, 312, 308, 317, 14, 87)
_OTHER_LIPS = (40, 185, 270, 409, 146, 181, 405, 375, 80, 81, 191, 310, 311, 415, 88, 95, 178, 318, 324, 402)


@dataclass(frozen=True)
class LandmarkGroups:
    """Points of a detector that eq. (9) weighs alike."""

    face: tuple[int, ...]
    """Eyes, brows, contour and nose, and lips beside those of `mouth`."""
    mouth: tuple[int, ...]
    pupils: tuple[int, ...] = ()
    """Empty where the detector sees none."""


MESH = LandmarkGroups((*_CONTOUR, *_EYES, *_BROWS, *_OTHER_LIPS, *_NOSE), _MOUTH, tuple(range(468, 478)))
"""Groups of MediaPipe's 478 points: the edges that it names oval, eyes, brows and lips, the line of the nose, the
irises."""
IBUG68 = LandmarkGroups(tuple(range(48)), tuple(range(48, 68)))
GROUPS: dict[LandmarkChoice, LandmarkGroups] = {"mediapipe": MESH, "fan": IBUG68, "probe": IBUG68}


def landmark_distance(
    fake: Tensor, real: Tensor, groups: LandmarkGroups, weights: tuple[float, float, float]
) -> Tensor:
    """Weighted sum of the groups' mean distances of landmarks (B, N, 2), in [-1, 1] units (eq. 9).

    Args:
        fake: landmarks of the result.
        real: landmarks of the driving image.
        groups: which points are face, mouth and pupils; a group without points counts for nothing.
        weights: of face, mouth and pupils.
    """
    distance = torch.linalg.vector_norm(fake - real, dim=-1)
    parts = groups.face, groups.mouth, groups.pupils
    terms = [weight * distance[:, list(part)].mean() for part, weight in zip(parts, weights, strict=True) if part]
    return torch.stack(terms).sum()


def shake_images(image: Tensor, draws: BatchDraws) -> Tensor:
    """Images (B, 3, H, W), each rotated, scaled and shifted at random, reflected beyond the border.

    Ranges are not in the paper: up to 20 degrees, 15 % and a tenth of the width.
    """
    angle, zoom, x, y = (draws.uniform_columns(4, len(image)) * 2 - 1).to(image.device)
    angle, zoom = angle * math.radians(20), 1 + 0.15 * zoom
    cos, sin = zoom * angle.cos(), zoom * angle.sin()
    rows = torch.stack((cos, -sin, 0.2 * x, sin, cos, 0.2 * y), dim=1).view(-1, 2, 3)
    grid = F.affine_grid(rows, list(image.shape), align_corners=False)
    return F.grid_sample(image, grid.to(image.dtype), padding_mode="reflection", align_corners=False)


def expression_invariance(feature: Tensor, shaken_feature: Tensor) -> Tensor:
    """1 - the cosine of expression features (B, E) of images and of the same shaken (eq. 7)."""
    cosine: Tensor = F.cosine_similarity(feature, shaken_feature, dim=1).mean()
    return 1 - cosine


def relative_invariance(feature: Tensor, shaken_feature: Tensor, other: Tensor) -> Tensor:
    """Mean squared change of features (B, E) when images are shaken, over that to other pictures of the same people.

    Ours. What all pictures of a person share has a cosine of 1 with itself, so the cosine of eq. (7) is content with
    features that tell people apart and know nothing of expressions; here such features count for nothing. At most 100,
    and without a gradient there: pairs of the same picture ask for nothing. Both means are over the batch of all
    processes.
    """
    squares = [(feature - to).square().sum(1).mean() for to in (other, shaken_feature)]
    change, noise = mean_over_processes(torch.stack(squares))
    ratio: Tensor = noise / (torch.maximum(change, 0.01 * noise) + 1e-12)
    return ratio


def compute_equivariance(points: Tensor, driving: Tensor) -> Tensor:
    """Sum over keypoints (B, K, n) of the L1 distance across and down, the mean over the batch (eq. 15)."""
    return (points[..., :2] - driving[..., :2]).abs().sum((1, 2)).mean()


def canonical_consistency(source: Tensor, driving: Tensor) -> Tensor:
    """Mean distance of the canonical keypoints (B, K, 3) of two pictures of a person (eq. 8)."""
    distance: Tensor = torch.linalg.vector_norm(source - driving, dim=-1)
    return distance.mean()


def guide_distance(points: Tensor, landmarks: Tensor) -> Tensor:
    """Mean distance of the first keypoints (B, K, n) from the landmarks (B, 68, 2) that guide them.

    The mouth's count three times. After LivePortrait (arXiv 2407.03168, section 3.2), which guides ten keypoints by
    landmarks of eyes and lips. Coordinates of the two differ by less than a voxel of the motion's (`nn.keypoints`).
    """
    weights = points.new_tensor([3.0] * GUIDES_ON_MOUTH + [1.0] * (len(GUIDES) - GUIDES_ON_MOUTH))
    distance = torch.linalg.vector_norm(points[:, : len(GUIDES), :2] - landmarks[:, GUIDES], dim=-1)
    total: Tensor = (distance * weights).sum(1).mean() / weights.sum()
    return total


def guide_changes(source: Tensor, driving: Tensor, source_landmarks: Tensor, driving_landmarks: Tensor) -> Tensor:
    """Compare changes of distances between guided keypoints (B, K, n) with those between their landmarks (B, 68, 2).

    Ours: the changes of lips, chin and brows are small beside what faces differ in.
    """
    target = _measure_spans(driving_landmarks[:, GUIDES]) - _measure_spans(source_landmarks[:, GUIDES])
    return F.l1_loss(_measure_spans(driving[..., :2]) - _measure_spans(source[..., :2]), target)


def _measure_spans(points: Tensor) -> Tensor:
    """Lengths (B, 7) of `SPANS` of points (B, K, 2)."""
    ends = points[:, torch.tensor(SPANS, device=points.device)]
    lengths: Tensor = torch.linalg.vector_norm(ends[:, :, 0] - ends[:, :, 1], dim=-1)
    return lengths
