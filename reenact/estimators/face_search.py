"""Search for faces in a picture and in pieces of it, the same for every detector; faces that lie are marked."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from reenact.errors import ReenactError
from reenact.estimators.base import Detector, FaceBox, Image, LandmarkDetector
from reenact.estimators.turned import check_landmarks

LEAST_FACE = 0.05
"""Size of the smallest face that every search finds, in longer sides of the picture: 192 pixels in a frame of 3840."""
LEAST_PIECE = 96
"""Pixels; in smaller pieces a face has too few pixels for its landmarks."""
SAME = 0.5
"""Common area of two boxes, of the smaller one's, from which they are of one face."""
EDGE = 0.01
"""Distance from a piece's edge, in its sides, within which a box may be of a part of a face."""


@dataclass(frozen=True)
class Piece:
    """A square part of a picture, in pixels; at the picture's right and lower edge it may reach beyond."""

    left: int
    top: int
    side: int

    def cut_out(self, image: Image) -> Image:
        """Cut the piece out of its picture, without what lies beyond."""
        return image[self.top : self.top + self.side, self.left : self.left + self.side]

    def cuts_off(self, box: FaceBox, height: int, width: int) -> bool:
        """Tell if a box, in pixels of the picture, reaches an edge of the piece within the picture."""
        near = EDGE * self.side
        right, bottom = self.left + self.side, self.top + self.side
        return (
            (self.left > 0 and box.left < self.left + near)
            or (self.top > 0 and box.top < self.top + near)
            or (right < width and box.right > right - near)
            or (bottom < height and box.bottom > bottom - near)
        )


class FaceSearch:
    """A detector that finds large and small faces, by another that looks at a picture once, and marks lying faces.

    Args:
        detector: Looks at a picture once.
        landmarks: The landmark network that was made for its boxes; tells which faces lie.
        least_face: Size of the smallest face that the detector sees in one look, in longer sides of the picture.
    """

    def __init__(self, detector: Detector, landmarks: LandmarkDetector, least_face: float) -> None:
        self.name = detector.name
        self._detector = detector
        self._landmarks = landmarks
        self._least_face = least_face

    def detect(self, image: Image) -> list[FaceBox]:
        """All faces, the largest first; `roll` is set of those that lie."""
        height, width = image.shape[:2]
        boxes: list[FaceBox] = []
        for piece in split_picture(height, width, self._least_face):
            look = [box.mapped(1, piece.left, piece.top) for box in self._detector.detect(piece.cut_out(image))]
            boxes = merge_boxes(boxes, [box for box in look if not piece.cuts_off(box, height, width)])
        boxes.sort(key=lambda box: box.area, reverse=True)
        return [self._mark_lying(image, box) for box in boxes]

    def detect_near(self, image: Image, box: FaceBox) -> FaceBox | None:
        """The face that was at `box` a moment ago, or None."""
        return self._detector.detect_near(image, box)

    def _mark_lying(self, image: Image, box: FaceBox) -> FaceBox:
        try:
            points = self._landmarks.landmarks(image, box)
        except ReenactError:  # MediaPipe looks for the face again; where it sees none, the tracker says so
            return box
        check = check_landmarks(self._landmarks, image, box, points)
        return replace(box, roll=check.roll) if check.lies else box


def split_picture(height: int, width: int, least_face: float) -> Iterator[Piece]:
    """The whole picture, and overlapping pieces of it in which faces of `LEAST_FACE` are large enough to be seen.

    Args:
        height: Of the picture in pixels.
        width: The same.
        least_face: Size of the smallest face that is seen in a piece, in sides of the piece.
    """
    longer = max(height, width)
    yield Piece(0, 0, longer)
    count = 1
    while least_face / count > LEAST_FACE and longer // (2 * count) >= LEAST_PIECE:
        count *= 2
        side = longer // count
        starts = itertools.product(_find_starts(height, side), _find_starts(width, side))
        yield from (Piece(column, row, side) for row, column in starts)


def merge_boxes(boxes: list[FaceBox], more: list[FaceBox]) -> list[FaceBox]:
    """Append to boxes those of another look that are of further faces; each detector merges those of one look."""
    return boxes + [
        box for box in more if all(box.common_area(other) < SAME * min(box.area, other.area) for other in boxes)
    ]


def _find_starts(length: int, side: int) -> list[int]:
    """Positions at which pieces begin along one axis: they overlap by half or more and reach both ends."""
    room = max(0, length - side)
    count = -(-2 * room // side) + 1
    return [round(start) for start in np.linspace(0, room, count)]
