"""MMFA's own losses (eq. 7 to 9)."""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from reenact.nn.probe import load_probe

LandmarkKind = Literal["probe", "none"]
"""The shipped probe, which finds 68 points on heads of the synthetic world; or no such term. The paper's detector, of
145 points, is not named."""
MOUTH = slice(48, 68)
"""The mouth's points of 68; the others are the face's."""


def shaken(image: Tensor, generator: torch.Generator) -> Tensor:
    """Images (B, 3, H, W), each rotated, scaled and shifted at random, reflected beyond the border.

    Ranges are not in the paper: up to 20 degrees, 15 % and a tenth of the width.
    """
    angle, zoom, x, y = (torch.rand(4, len(image), generator=generator) * 2 - 1).to(image.device)
    angle, zoom = angle * math.radians(20), 1 + 0.15 * zoom
    cos, sin = zoom * angle.cos(), zoom * angle.sin()
    rows = torch.stack((cos, -sin, 0.2 * x, sin, cos, 0.2 * y), dim=1).view(-1, 2, 3)
    grid = F.affine_grid(rows, list(image.shape), align_corners=False)
    return F.grid_sample(image, grid.to(image.dtype), padding_mode="reflection", align_corners=False)


def expression_invariance(feature: Tensor, shaken_feature: Tensor) -> Tensor:
    """1 - the cosine of expression features (B, E) of images and of the same shaken (eq. 7)."""
    cosine: Tensor = F.cosine_similarity(feature, shaken_feature, dim=1).mean()
    return 1 - cosine


def canonical_consistency(source: Tensor, driving: Tensor) -> Tensor:
    """Mean distance of the canonical keypoints (B, K, 3) of two pictures of a person (eq. 8)."""
    distance: Tensor = torch.linalg.vector_norm(source - driving, dim=-1)
    return distance.mean()


def landmark_distance(fake: Tensor, real: Tensor, face: float, mouth: float) -> Tensor:
    """Weighted mean distances of landmarks (B, 68, 2) outside and on the mouth, in [-1, 1] units (eq. 9)."""
    distance: Tensor = torch.linalg.vector_norm(fake - real, dim=-1)
    return face * distance[:, : MOUTH.start].mean() + mouth * distance[:, MOUTH].mean()


def landmarks(image: Tensor) -> Tensor:
    """The probe's landmarks (B, 68, 2) in images (B, 3, H, W) in [-1, 1]; differentiable."""
    probe = load_probe().to(image.device)
    with torch.autocast(image.device.type, enabled=False):
        points: Tensor = probe(image.float()).landmarks
    return points
