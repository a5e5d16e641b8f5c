"""Colours painted on a picture."""

from __future__ import annotations

import torch
from torch import Tensor

LARGEST = 0.99
"""Colour to which 1 is brought before its inverse tanh is taken."""


def paint_on(strokes: Tensor, picture: Tensor) -> Tensor:
    """Return a picture (B, 3, H, W) in [-1, 1] changed by strokes of any size: their sum before a tanh."""
    return torch.tanh(strokes + torch.atanh(LARGEST * picture.clamp(-1, 1)))
