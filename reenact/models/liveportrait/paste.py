"""The mask by which LivePortrait's official code pastes results back (`assets/mask_template.png`)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SIDE = 512
"""Side of the official mask."""
RIM = 16
"""Pixels of it from its edge to where it is full."""


def build_paste_mask(size: int) -> NDArray[np.float32]:
    """Weights (size, size) in [0, 1]: full inside, and falling evenly with the distance from there on the rim."""
    place = (np.arange(size) + 0.5) * (SIDE / size) - 0.5
    outside = np.maximum(np.maximum(RIM - place, place - (SIDE - RIM)), 0)
    distance = np.hypot(outside[:, None], outside)
    return np.asarray(np.floor(255 * np.clip(1 - distance / RIM, 0, 1)) / 255, np.float32)
