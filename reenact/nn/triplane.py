"""Tri-planes: three planes of features that cross at the origin, and the decoder of points in space.

Source: EG3D, `training/volumetric_rendering/renderer.py` and `training/triplane.py`. Convention: points have x right, y
up, z towards a frontal camera; a box of the side `box` about the origin maps to [-1, 1], edge to edge of the planes
(`align_corners=False`); outside of it features are zero. Of the two coordinates of a plane, the first is its column,
the second its row: row 0 has the least value.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reenact.nn.softplus import softplus

PlaneAxes = Literal["corrected", "released"]
"""Axes of the planes: xy, xz and zy, or EG3D's as released, whose third is zx, the second one transposed."""

AXES: dict[PlaneAxes, tuple[tuple[int, int], ...]] = {
    "corrected": ((0, 1), (0, 2), (2, 1)),
    "released": ((0, 1), (0, 2), (2, 0)),
}
COLOUR_MARGIN = 0.001
"""Colours reach from minus this number to 1 plus it, so that the sigmoid need not saturate for black and white."""


def sample_planes(planes: Tensor, points: Tensor, box: float = 1.0, axes: PlaneAxes = "corrected") -> Tensor:
    """Features (B, 3, N, C) of points (B, N, 3) in each of three planes (B, 3, C, H, W).

    Args:
        planes: xy, xz and the third.
        points: in the units of `box`.
        box: side of the cube that the planes span.
        axes: axes of the planes.
    """
    points = points * (2 / box)
    places = torch.stack([points[..., pair] for pair in AXES[axes]], 1)
    features = F.grid_sample(planes.flatten(0, 1), places.flatten(0, 1)[:, None], align_corners=False)
    return features.view(*planes.shape[:3], -1).mT


class ScaledLinear(nn.Linear):
    """A linear layer with an equalised learning rate: its weights are N(0, 1) and scaled where they are used."""

    def reset_parameters(self) -> None:
        """Draw the weights, and set the biases to zero."""
        nn.init.normal_(self.weight)
        nn.init.zeros_(self.bias)

    def forward(self, inputs: Tensor) -> Tensor:
        """Apply it to (..., C)."""
        return F.linear(inputs, self.weight * self.in_features**-0.5, self.bias)


class RadianceDecoder(nn.Module):
    """Density and colour of the features of points, by one hidden layer and two last layers.

    Args:
        features: channels of the planes.
        hidden: width of the hidden layer.
        colours: channels of the colour.
    """

    def __init__(self, features: int = 32, hidden: int = 64, colours: int = 32) -> None:
        super().__init__()
        self.hidden = ScaledLinear(features, hidden)
        self.density = ScaledLinear(hidden, 1)
        self.colour = ScaledLinear(hidden, colours)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Density (..., 1) before its softplus, and colour (..., K) in [0, 1], of features (..., F)."""
        hidden = softplus(self.hidden(features))
        colour = torch.sigmoid(self.colour(hidden)) * (1 + 2 * COLOUR_MARGIN) - COLOUR_MARGIN
        return self.density(hidden), colour
