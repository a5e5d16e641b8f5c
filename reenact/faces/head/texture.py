"""The head's texture: albedo of skin, lips, brows and irises, twelve numbers, spread over the vertices.

`texture.npz` was made by `reenact.world.head_texture`. Albedo is linear, 1 reflects everything.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

FILE = Path(__file__).with_name("texture.npz")
SHARE_STEP = 1 / 160
TEXTURE_NAMES = tuple(
    f"{part}_{channel}" for part in ("skin", "lips", "brows", "irises") for channel in ("red", "green", "blue")
)
_SCATTERED = (0.12, 0.0, 0.0)
"""Share of the light that reaches shaded skin from within, RGB (`world/shading.py`)."""


@cache
def load_texture() -> Mapping[str, Tensor]:
    """Read the texture's arrays, once in a process.

    Returns:
        `shares` (V, 4) of skin, lips, brows and irises in a vertex's albedo; `rest` (V, 3), its albedo apart from these
        (teeth, tongue, mouth and the white of the eyes); `openness` (V, 3), the share of the light around that reaches
        it; `prior_mean` (39,) and `prior_covariance` (39, 39) of texture and light.
    """
    with np.load(FILE) as data:
        arrays = {name: torch.from_numpy(data[name].astype(np.float32)) for name in data.files}
    shares, openness = arrays["shares"] * SHARE_STEP, arrays["openness"][:, None] / 255
    scattered = openness.new_tensor(_SCATTERED) * (shares[:, :3].sum(1, keepdim=True) > 0)
    openness = openness + (1 - openness) * scattered
    return arrays | {"shares": shares, "rest": arrays["rest"] / 255, "openness": openness}
