"""Recipes of the papers' data: crop, size and frame rate. Values that a paper leaves open have a comment."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from reenact.faces.crop import CropRule

RecipeName = Literal["pwm", "mmfa", "bfm_flow", "export3d", "magicportrait", "pwm_demo"]
CropChoice = Literal["none", "dataset", CropRule]
"""A paper's rule, the data set's own box, or the whole frame."""


@dataclass(frozen=True)
class Recipe:
    """Preparation of a paper's data."""

    crop: CropRule
    size: int
    """Side of the frames in pixels."""
    fps: Fraction | None = None
    """Frames per second; each video's own by default."""


RECIPES: dict[RecipeName, Recipe] = {
    # BMVC 2022, section 4: 256, cropped as FOMM and PIRenderer do. The rate is the videos' own.
    "pwm": Recipe("fomm", 256),
    # `fit_image.py` of the released code: the crop of its demo, which follows the face from frame to frame there.
    "pwm_demo": Recipe("pwm", 256),
    # The paper says 256 alone; FOMM's `crop_vox.py` (crop, 25 frames/s) is inferred.
    "mmfa": Recipe("fomm", 256, Fraction(25)),
    # AAAI 2023, section 4: cropped as FOMM does.
    "bfm_flow": Recipe("fomm", 256, Fraction(25)),
    # ECCV 2024, section 4: 25 frames/s, 256, the nose in the centre.
    "export3d": Recipe("export3d", 256, Fraction(25)),
    # arXiv 2504.21497, section IV (512); `crop_process.py` of the released code (crop).
    "magicportrait": Recipe("magicportrait", 512),
}
