"""Frames with the lowest and the highest number of a metric, with their pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import Tensor

Frame = tuple[float, dict[str, Tensor]]
"""A number and one row of pictures."""


@dataclass
class Extremes:
    """The frames with the lowest and the highest number, the most extreme first."""

    keep: int
    lowest: list[Frame] = field(default_factory=list)
    highest: list[Frame] = field(default_factory=list)

    def add(self, numbers: Sequence[float], pictures: dict[str, Tensor]) -> None:
        """Take the frames of a batch, numbers (B) and pictures (B, ...) by name; NaN is no number."""
        rows = [row for row, number in enumerate(numbers) if not math.isnan(number)]
        lowest = sorted(rows, key=numbers.__getitem__)[: self.keep]
        highest = sorted(rows, key=numbers.__getitem__, reverse=True)[: self.keep]
        frames = [
            (numbers[row], {name: picture[row : row + 1].cpu() for name, picture in pictures.items()})
            for row in sorted({*lowest, *highest})
        ]
        self.merge(Extremes(self.keep, frames, frames))

    def merge(self, other: Extremes) -> None:
        """Take the frames of others."""
        self.lowest = sorted(self.lowest + other.lowest, key=_frame_number)[: self.keep]
        self.highest = sorted(self.highest + other.highest, key=_frame_number, reverse=True)[: self.keep]


def _frame_number(frame: Frame) -> float:
    return frame[0]
