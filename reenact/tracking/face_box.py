"""A box around a face from the person at the command line, in place of a detector's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from reenact.errors import ReenactError
from reenact.estimators.base import FaceBox, Image
from reenact.media.media_kinds import is_picture
from reenact.tracking.target import Target

LEAST_SIDE = 16
"""Pixels; in smaller boxes nothing places landmarks."""


class BoxDetector:
    """Detector that finds one face, in a box.

    Args:
        box: its box in pixels.
    """

    name = "box"

    def __init__(self, box: FaceBox) -> None:
        self._box = box

    def detect(self, image: Image) -> list[FaceBox]:
        """Return the box.

        Raises:
            ReenactError: if it reaches outside of the picture.
        """
        (height, width), box = image.shape[:2], self._box
        if box.left < 0 or box.top < 0 or box.right > width or box.bottom > height:
            raise ReenactError(
                f"reaches outside of the picture of {width} x {height} pixels",
                subject=_spell_option(box),
                remedy="give left, top, width and height of the face in pixels",
            )
        return [box]

    def detect_near(self, image: Image, box: FaceBox) -> FaceBox | None:
        """Return the box."""
        return self._box


def check_face_box(numbers: Sequence[float], source: Path, face_index: int) -> FaceBox | None:
    """Return the box of the face of a source; None without numbers.

    Args:
        numbers: left, top, width and height in pixels, or none.
        source: the file of the face.
        face_index: number of the face among a detector's, 0 by default.

    Raises:
        ReenactError: if the numbers are no box, the source is no picture, or a face is named by its number too.
    """
    if not numbers:
        return None
    spelled = " ".join(f"{number:g}" for number in numbers)
    if len(numbers) != 4 or not np.isfinite(numbers).all():
        raise ReenactError(f"--face-box {spelled}: give four numbers, left, top, width and height in pixels")
    x, y, width, height = numbers
    if min(width, height) < LEAST_SIDE:
        raise ReenactError(f"--face-box {spelled} is too small: width and height must be at least {LEAST_SIDE} pixels")
    if not is_picture(source):
        raise ReenactError(f"--face-box {spelled} is of one picture, and --source {source} has several: give a picture")
    if face_index:
        raise ReenactError(f"--face-box {spelled} names the face: leave out --face-index {face_index}")
    return FaceBox(left=x, top=y, right=x + width, bottom=y + height)


def replace_detector(target: Target, box: FaceBox | None) -> Target:
    """Return requirements on a face that is found in a box; without a box they stay as they are."""
    if box is None:
        return target
    return replace(target, finder=replace(target.finder, detector=BoxDetector(box)))


def _spell_option(box: FaceBox) -> str:
    return f"--face-box {box.left:g} {box.top:g} {box.right - box.left:g} {box.bottom - box.top:g}"
