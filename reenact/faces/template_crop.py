"""The crop that Deep3D's network is shown (sicxu/Deep3DFaceRecon_pytorch, `util/preprocess.py`, `align_img`).

Convention: points are in continuous pixels as in `faces.crop`. The official code counts landmarks in indices (the
centre of pixel i is i there and i + 0.5 here), turns y up by H - 1 - y, and takes those numbers for continuous ones;
the half pixels that result are kept, because the network was trained on such crops. Width and height of the resized
picture are rounded down on their own, so the crop has a scale for x and one for y; its place is whole pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from reenact.faces.alignment import five_points, template_place
from reenact.faces.crop import Crop

SIDE = 224
"""Side of the crop in pixels."""
UNIT = 102
"""Pixels of the crop that are one unit of the template (`rescale_factor`)."""


@dataclass(frozen=True, kw_only=True)
class TemplateCrop:
    """224 x 224 pixels cut out of a resized picture; black where they reach over its edges."""

    width: int
    """Width of the picture in pixels."""
    height: int
    resized_width: int
    """Width of the resized picture in pixels."""
    resized_height: int
    left: int
    """x of the crop's left edge in the resized picture."""
    top: int
    """y of the crop's upper edge in the resized picture."""

    @classmethod
    def around(cls, landmarks: NDArray[Any], height: int, width: int) -> Self:
        """The crop in which the template, laid over the landmarks, has its origin in the middle and the size of `UNIT`.

        Args:
            landmarks: (68, 2) in pixels of the picture.
            height: of the picture.
            width: of the picture.
        """
        size, x, y = template_place(five_points(landmarks) - 0.5)
        return cls._place(UNIT / size, x, y, height, width)

    @classmethod
    def at(cls, scale: float, x: float, y: float, height: int, width: int) -> Self:
        """The crop of Deep3D's `transform_params`.

        Args:
            scale: of the picture before it is cut.
            x: place of the template's origin in pixels of the picture.
            y: the same, counted upwards from the lower edge.
            height: of the picture.
            width: of the picture.
        """
        return cls._place(scale, x, height - 1 - y, height, width)

    @classmethod
    def _place(cls, scale: float, x: float, y: float, height: int, width: int) -> Self:
        """The crop around a place (x, y) of the picture, y down from the centre of the first row."""
        resized_width, resized_height = int(width * scale), int(height * scale)
        x_min = int(resized_width / 2 - SIDE / 2 + (x - width / 2) * scale)
        y_min = int(resized_height / 2 - SIDE / 2 + (y + 1 - height / 2) * scale)
        return cls(
            width=width,
            height=height,
            resized_width=resized_width,
            resized_height=resized_height,
            left=x_min,
            top=y_min,
        )

    @property
    def pixel(self) -> tuple[float, float]:
        """Width and height of a crop's pixel, in pixels of the picture."""
        return self.width / self.resized_width, self.height / self.resized_height

    def to_frame(self, points: NDArray[Any]) -> NDArray[np.float64]:
        """Crop pixels (..., 2) to pixels of the picture (..., 2)."""
        moved: NDArray[np.float64] = (np.asarray(points, np.float64) + np.array((self.left, self.top))) * self.pixel
        return moved

    def cut(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The crop (224, 224, 3) of the picture (H, W, 3), by Pillow's bicubic filter.

        Only what the crop shows is resampled: to the bit, or a grey level, what a cut out of the resized picture gives.
        """
        across = max(self.left, 0), min(self.left + SIDE, self.resized_width)
        down = max(self.top, 0), min(self.top + SIDE, self.resized_height)
        crop = np.zeros((SIDE, SIDE, 3), np.uint8)
        if across[0] >= across[1] or down[0] >= down[1]:
            return crop
        wide, high = self.pixel
        box = across[0] * wide, down[0] * high, across[1] * wide, down[1] * high
        size = across[1] - across[0], down[1] - down[0]
        visible_part = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC, box))
        crop[down[0] - self.top : down[1] - self.top, across[0] - self.left : across[1] - self.left] = visible_part
        return crop

    def carry_camera(self, camera: Tensor, target: Crop) -> Tensor:
        """The perspective camera (..., 7) of a square of the same picture, of a camera in NDC of this crop.

        As `camera.carry_camera`, with a scale for each axis: projections lie at the same place of the picture, exactly.
        """
        sides = np.array(self.pixel) * SIDE
        corner = np.array((self.left, self.top)) * self.pixel
        scale = camera.new_tensor(sides / target.size_in_frame)
        middle = 2 * (corner + sides / 2 - (target.left, target.top)) / target.size_in_frame - 1
        carried = camera.clone()
        carried[..., :2] = scale * camera[..., :2]
        carried[..., 2:4] = scale * camera[..., 2:4] + camera.new_tensor(middle)
        return carried
