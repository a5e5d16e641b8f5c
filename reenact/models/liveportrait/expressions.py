"""Sliders of LivePortrait's editor: numbers that are added to the expression (`src/gradio_pipeline.py`)."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

Change = tuple[int, int, float]
"""Keypoint, axis, and change of its expression for each unit of the slider."""
X, Y, Z = range(3)


@dataclass(frozen=True, kw_only=True)
class Slider:
    """A direction of the expression."""

    effect: str
    """Change of the face with a rising value."""
    low: float
    """Lowest value."""
    high: float
    """Highest value."""
    up: tuple[Change, ...]
    """Changes for values above 0."""
    down: tuple[Change, ...] = ()
    """Changes for values below 0, by the same sign; empty for those of `up`."""


SLIDERS: Final = {
    "smile": Slider(
        effect="draws the corners of the mouth up",
        low=-0.3,
        high=1.3,
        up=(
            (20, Y, -0.01), (14, Y, -0.02), (17, Y, 0.0065), (17, Z, 0.003), (13, Y, -0.00275), (16, Y, -0.00275),
            (3, Y, -0.0035), (7, Y, -0.0035),
        ),
    ),
    "wink": Slider(
        effect="closes one eye",
        low=0,
        high=39,
        up=((11, Y, 0.001), (13, Y, -0.0003), (17, X, 0.0003), (17, Y, 0.0003), (3, Y, -0.0003)),
    ),
    "eyebrows": Slider(
        effect="moves the eyebrows",
        low=-30,
        high=30,
        up=((1, Y, 0.001), (2, Y, -0.001)),
        down=((1, X, -0.001), (2, X, 0.001), (1, Y, 0.0003), (2, Y, -0.0003)),
    ),
    "gaze_x": Slider(
        effect="turns the eyes to the right",
        low=-30,
        high=30,
        up=((11, X, 0.0007), (15, X, 0.001)),
        down=((11, X, 0.001), (15, X, 0.0007)),
    ),
    "gaze_y": Slider(
        effect="turns the eyes upwards",
        low=-63,
        high=63,
        # A look up opens the lids, a blink of minus half the value: +0.0005 and -0.00015 of it.
        up=((11, Y, -0.0005), (15, Y, -0.0005), (13, Y, -0.00015), (16, Y, -0.00015)),
    ),
    "pout": Slider(effect="moves the mouth to a side", low=-0.09, high=0.09, up=((19, X, 1.0),)),
    "purse": Slider(
        effect="purses the lips",
        low=-20,
        high=15,
        up=((14, Y, 0.001), (3, Y, -0.0005), (7, Y, -0.0005), (17, Z, -0.0005)),
    ),
    "grin": Slider(effect="bares the teeth", low=0, high=15, up=((20, Z, -0.001), (20, Y, -0.001), (14, Y, -0.001))),
    "part_lips": Slider(
        effect="parts the lips", low=-90, high=120, up=((19, Y, 0.001), (19, Z, 0.0001), (17, Y, -0.0001))
    ),
    "shift_x": Slider(effect="shifts the head to the right", low=-0.19, high=0.19, up=((5, X, 1.0),)),
    "shift_y": Slider(effect="shifts the head downwards", low=-0.19, high=0.19, up=((5, Y, 1.0),)),
}  # fmt: skip
"""Names of sliders -> what they change; ranges are those of the official editor."""


def move_expression(expression: Tensor, values: Tensor) -> Tensor:
    """Expressions (..., K, 3) with the values (..., N) of all sliders added to them."""
    directions = _list_directions(expression.shape[-2]).to(expression)
    halves = torch.stack((F.relu(values), -F.relu(-values)), dim=-2)
    # Written out: mixed precision would round a product of matrices.
    return expression + (halves[..., None, None] * directions).sum((-4, -3))


@functools.cache
def _list_directions(keypoints: int) -> Tensor:
    """Changes (2, N, K, 3) for each unit above and below 0."""
    directions = torch.zeros(2, len(SLIDERS), keypoints, 3)
    for number, slider in enumerate(SLIDERS.values()):
        for half, changes in enumerate((slider.up, slider.down or slider.up)):
            for point, axis, change in changes:
                directions[half, number, point, axis] = change
    return directions
