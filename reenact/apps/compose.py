"""From the network's crops to the frames of the file: paste-back, side by side, even sizes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reenact.apps.sheets import side_by_side
from reenact.faces.crop import Crop
from reenact.media.video import Image

View = tuple[Image, Crop]
"""A full frame, and the crop of the face in it."""


@dataclass(frozen=True)
class PasteWeights:
    """Weights by which a result is pasted back."""

    region: NDArray[np.float32] | None = None
    """(size, size) weights in [0, 1] of the result's pixels; None for all of them."""
    feather: float = 0.08
    """Width of the soft rim of the crop, as a fraction of its side."""


@dataclass(frozen=True)
class Composer:
    """Layout of result frames: paste-back, side by side, even sizes."""

    side_by_side: bool = False
    """Source, result and driving in a row, as GDPW's demo shows them, each with its name above."""
    paste_back: bool = False
    """The result put back into the source's full frame, with a soft rim."""

    def frame(
        self,
        result: Image,
        source: View | None,
        driving: View | None,
        weights: PasteWeights | None = None,
    ) -> Image:
        """One frame of the file.

        Args:
            result: The network's picture (size, size, 3).
            source: The source's full frame, and where the face was cut from it; None where the layout shows none.
            driving: The same of the driving frame; None where there is none.
            weights: By which the result is pasted back; all of it with a soft rim by default.
        """
        picture = result
        if self.paste_back and source is not None:
            weights = weights or PasteWeights()
            picture = source[1].paste_back(source[0], result, weights.feather, weights.region)
        if self.side_by_side:
            others = [self._view(*item, len(result)) for item in (source, driving) if item]
            columns = [others[0], picture, *others[1:]]
            picture = side_by_side(columns, ("source", "result", "driving")[: len(columns)])
        # Video needs even sides, and the watermark's blocks must not move when it is padded
        return np.pad(picture, ((0, picture.shape[0] % 2), (0, picture.shape[1] % 2), (0, 0)), mode="edge")

    def _view(self, image: Image, crop: Crop, size: int) -> Image:
        return image if self.paste_back else crop.resized(size).warp_to_crop(image, outside="edge")
