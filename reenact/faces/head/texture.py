"""The head's texture: albedo of skin, lips, brows and irises, twelve numbers, spread over the vertices.

`texture.npz` was made by `reenact.world.head_texture`. Albedo is linear, 1 reflects everything.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

FILE = Path(__file__).with_name("texture.npz")
SHARE_STEP = 1 / 160
TEXTURE_NAMES = tuple(
    f"{part}_{channel}" for part in ("skin", "lips", "brows", "irises") for channel in ("red", "green", "blue")
)
TYPICAL = (0.433, 0.258, 0.185, 0.354, 0.111, 0.089, 0.090, 0.056, 0.038, 0.095, 0.071, 0.057)
"""Mean of each coefficient over 4,000 of the world's people."""
SPREAD = (0.151, 0.118, 0.104, 0.117, 0.050, 0.048, 0.087, 0.053, 0.036, 0.041, 0.066, 0.089)
"""Standard deviation of each coefficient over the same people."""
_SCATTERED = (0.12, 0.0, 0.0)
"""Share of the light that reaches shaded skin from within, RGB (`world/shading.py`)."""


def load_texture() -> tuple[Tensor, Tensor, Tensor]:
    """Read the texture's arrays.

    Returns:
        (V, 4) shares of skin, lips, brows and irises in a vertex's albedo; (V, 3) its albedo apart from these (teeth,
        tongue, mouth and the white of the eyes); (V, 3) share of the light around that reaches it.
    """
    with np.load(FILE) as data:
        shares, rest, openness = (
            torch.from_numpy(data[name].astype(np.float32)) for name in ("shares", "rest", "openness")
        )
    shares, rest, openness = shares * SHARE_STEP, rest / 255, openness[:, None] / 255
    scattered = openness.new_tensor(_SCATTERED) * (shares[:, :3].sum(1, keepdim=True) > 0)
    return shares, rest, openness + (1 - openness) * scattered
