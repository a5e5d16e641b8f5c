"""Protocols of estimators, which look at pictures of faces. Adapters over libraries keep them.

Pictures are (H, W, 3) uint8 RGB. Points and boxes are in continuous pixels: x right, y down, pixel i covers [i, i + 1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from reenact.faces.params import FaceParams

Image = NDArray[np.uint8]
Points = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class FaceBox:
    """Position of a face in a picture."""

    left: float
    top: float
    right: float
    bottom: float
    score: float = 1.0
    """The detector's confidence, in its own unit."""
    roll: float = 0.0
    """Angle in degrees by which the face is turned in the picture, counter-clockwise, where its landmarks do not turn
    with it; see `FaceSearch`."""

    @property
    def lies(self) -> bool:
        """Tell if the face lies on its side or upside down, so that its landmarks are wrong."""
        return self.roll != 0

    @property
    def area(self) -> float:
        """Area in square pixels."""
        return max(0.0, self.right - self.left) * max(0.0, self.bottom - self.top)

    @property
    def size(self) -> float:
        """Mean of width and height in pixels."""
        return (self.right - self.left + self.bottom - self.top) / 2

    @property
    def centre(self) -> tuple[float, float]:
        """Coordinates x and y of the centre in pixels."""
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2

    @classmethod
    def around(cls, points: NDArray[Any]) -> Self:
        """The smallest box around (N, 2) points."""
        (x_min, y_min), (x_max, y_max) = points.min(0).tolist(), points.max(0).tolist()
        return cls(left=x_min, top=y_min, right=x_max, bottom=y_max)

    @classmethod
    def from_row(cls, row: Sequence[float] | NDArray[Any]) -> Self:
        """Build a box from left, top, right and bottom, and the score if there is a fifth number."""
        left, top, right, bottom, *score = (float(value) for value in row)
        return cls(left=left, top=top, right=right, bottom=bottom, score=score[0] if score else 1.0)

    def holds(self, point: tuple[float, float]) -> bool:
        """Tell if a point (x, y) lies within the box."""
        return self.left <= point[0] <= self.right and self.top <= point[1] <= self.bottom

    def common_area(self, other: FaceBox) -> float:
        """Compute the area that both boxes cover, in square pixels."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(0.0, width) * max(0.0, height)

    def overlap(self, other: FaceBox) -> float:
        """Compute the intersection over union with another box, 0 to 1."""
        shared = self.common_area(other)
        return shared / (self.area + other.area - shared) if shared else 0.0

    def mapped(self, scale: float, shift_x: float, shift_y: float) -> FaceBox:
        """Map the box: x to x * scale + shift_x, y to y * scale + shift_y."""
        return replace(
            self,
            left=self.left * scale + shift_x,
            top=self.top * scale + shift_y,
            right=self.right * scale + shift_x,
            bottom=self.bottom * scale + shift_y,
        )


class Detector(Protocol):
    """Estimator that finds faces."""

    name: str
    """Label of the numbers that are measured with it."""

    def detect(self, image: Image) -> list[FaceBox]:
        """All faces of a picture, the largest first; takes its time to find every one."""

    def detect_near(self, image: Image, box: FaceBox) -> FaceBox | None:
        """The face that was at `box` a moment ago, or None; looks there alone, and is quick."""


class LandmarkDetector(Protocol):
    """Places the iBUG-68 landmarks."""

    name: str
    """Label of the numbers that are measured with it."""

    def landmarks(self, image: Image, box: FaceBox) -> Points:
        """(68, 2) landmarks of the face in a detector's box."""


class IdentityEmbedder(Protocol):
    """Turns a face into a vector that tells people apart."""

    name: str
    """Label of the numbers that are measured with it."""

    def embed(self, image: Image, landmarks: Points) -> NDArray[np.float32]:
        """(D,) embedding of the face with these landmarks."""


class ParameterRegressor(Protocol):
    """Estimates face parameters from pixels."""

    name: str
    """Label of the numbers that are measured with it."""
    face_model: str
    """The face model that the parameters belong to."""

    def codes(self, images: list[Image], landmarks: NDArray[np.float32]) -> dict[str, Tensor]:
        """The network's own output for N pictures with (N, 68, 2) landmarks: (N, K) per name, on the CPU.

        Names are those of `FaceParams` where a part means the same. Metrics compare these, unconverted.
        """

    def regress(self, images: list[Image], landmarks: NDArray[np.float32]) -> FaceParams:
        """Parameters of N pictures with (N, 68, 2) landmarks; cameras belong to the whole picture's square."""
