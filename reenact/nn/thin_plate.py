"""Random smooth warps under which keypoints must be equivariant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor

from reenact.nn.keypoints import corner_grid
from reenact.nn.whole_batch import BatchDraws

EPSILON = 1e-6
"""Keeps the logarithm finite at a control point (`modules/model.py` of the first-order motion model)."""


@dataclass(frozen=True)
class RandomWarp:
    """`T(z) = A z + b + sum_c w_c d_c^2 log(d_c + 1e-6)`, d_c the city-block distance to a control point.

    The sum is added to x and y alike, as in the first-order motion model's `Transform`.

    Convention: coordinates as of `reenact.nn.keypoints`. T maps a place of the warped image to one of the image it was
    made of: `frame(image)` at z shows `image` at T(z), so a keypoint p of the warped image lies at T(p) in the image.
    """

    affine: Tensor
    """(B, 2, 3) affine part, A and b."""
    controls: Tensor
    """(C, 2) control points."""
    weights: Tensor
    """(B, C) weights w of the control points."""

    @classmethod
    def draw(
        cls, like: Tensor, draws: BatchDraws, affine: float = 0.05, bending: float = 0.005, points: int = 5
    ) -> Self:
        """Warps for a batch; defaults are the `transform_params` of the official configurations.

        Args:
            like: images (B, ...) on whose device they go.
            draws: random numbers for the rows of the batch.
            affine: standard deviation of the affine part about the identity.
            bending: standard deviation of the weights.
            points: control points along a side.
        """
        batch = len(like)
        noise = affine * draws.normal(batch, 2, 3).to(like.device)
        controls = corner_grid((points, points), noise).view(-1, 2)
        weights = bending * draws.normal(batch, points**2).to(like.device)
        return cls(noise + torch.eye(2, 3, device=like.device), controls, weights)

    def frame(self, image: Tensor) -> Tensor:
        """Warped images (B, C, H, W); beyond the border the image is reflected, `align_corners=False`."""
        height, width = image.shape[-2:]
        grid = corner_grid((height, width), image).view(1, -1, 2).expand(len(image), -1, -1)
        position = self.points(grid).view(-1, height, width, 2)
        return F.grid_sample(image, position.to(image.dtype), padding_mode="reflection", align_corners=False)

    def points(self, points: Tensor) -> Tensor:
        """Map points (B, N, 2) by the warp T."""
        linear = (self.affine[:, None, :, :2] * points.unsqueeze(-2)).sum(-1) + self.affine[:, None, :, 2]
        distance = self._distance(points)
        bent = (distance**2 * torch.log(distance + EPSILON) * self.weights.unsqueeze(1)).sum(-1, keepdim=True)
        return linear + bent

    def jacobian(self, points: Tensor) -> Tensor:
        """Derivative of T (B, N, 2, 2), row by output coordinate, at points (B, N, 2); differentiable."""
        distance = self._distance(points)
        slope = 2 * distance * torch.log(distance + EPSILON) + distance**2 / (distance + EPSILON)
        sign = (points[:, :, None] - self.controls).sign()
        bent = ((slope * self.weights.unsqueeze(1)).unsqueeze(-1) * sign).sum(2)
        return self.affine[:, None, :, :2] + bent.unsqueeze(-2)

    def _distance(self, points: Tensor) -> Tensor:
        return (points[:, :, None] - self.controls).abs().sum(-1)
