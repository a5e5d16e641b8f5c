"""Search for faces of all sizes with a detector that sees those of some sizes alone."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from reenact.errors import ReenactError
from reenact.estimators.base import FaceBox
from reenact.estimators.face_search import LEAST_FACE, FaceSearch, merge_boxes, split_picture


class NarrowDetector:
    """Finds white squares, whole or cut off, of a fifth of the picture and more; places no landmarks."""

    name = "mediapipe"

    def __init__(self):
        self.looks = 0

    def detect(self, image):
        self.looks += 1
        boxes = cv2.connectedComponentsWithStats(cv2.inRange(image, (250,) * 3, (255,) * 3))[2][1:]
        squares = [FaceBox(left=x, top=y, right=x + w, bottom=y + h) for x, y, w, h, _ in boxes.tolist()]
        return [box for box in squares if box.size >= 0.2 * max(image.shape[:2])]

    def landmarks(self, image, box):
        raise ReenactError("sees no face")


def canvas(height, width, *faces):
    image = np.full((height, width, 3), 90, np.uint8)
    for (x, y), size in faces:
        image[y - size // 2 : y + size // 2, x - size // 2 : x + size // 2] = 255
    return image


@pytest.mark.parametrize(
    "faces",
    [
        [((300, 200), 250)],
        [((500, 250), 60)],
        [((10 + k * 250, 270), 60) for k in range(1, 4)],
        [((250, 300), 240), ((700, 300), 230)],
        [((250, 300), 240), ((700, 300), 60)],
    ],
    ids=["one large", "one small", "three at edges of pieces", "side by side", "large and small"],
)
def test_each_face_is_found_once(faces):
    detector = NarrowDetector()
    boxes = FaceSearch(detector, detector, 0.2).detect(canvas(540, 960, *faces))
    assert sorted(round(box.centre[0] / 10) * 10 for box in boxes) == sorted(middle[0] for middle, _ in faces)
    for box in boxes:
        assert box.size == next(size for middle, size in faces if box.holds(middle))
    assert [box.area for box in boxes] == sorted((box.area for box in boxes), reverse=True)


def test_a_face_of_258_pixels_in_a_frame_of_3840():
    detector, image = NarrowDetector(), canvas(2160, 3840, ((1700, 1000), 258))
    assert detector.detect(image) == []
    (box,) = FaceSearch(detector, detector, 0.2).detect(image)
    assert box.size == 258


def test_a_detector_that_sees_small_faces_looks_once():
    detector = NarrowDetector()
    FaceSearch(detector, detector, LEAST_FACE / 2).detect(canvas(200, 300, ((150, 100), 90)))
    assert detector.looks == 1


def test_pieces_cover_the_picture_and_overlap_by_half():
    assert [piece.side for piece in split_picture(100, 80, 0.2)] == [100]
    for height, width in ((720, 1280), (1000, 400), (500, 500)):
        pieces = list(split_picture(height, width, 0.2))
        assert 0.2 * min(piece.side for piece in pieces) <= LEAST_FACE * max(height, width)
        for count in (2, 4):
            side = max(height, width) // count
            for axis, length in (("left", width), ("top", height)):
                starts = sorted({getattr(piece, axis) for piece in pieces if piece.side == side})
                assert starts[0] == 0
                assert starts[-1] == max(0, length - side)
                assert max(np.diff(starts), default=0) <= side / 2 + 1


def test_a_part_of_a_face_is_the_face():
    face, mouth, other = (
        FaceBox(left=0, top=0, right=100, bottom=100),
        FaceBox(left=30, top=60, right=70, bottom=90),
        FaceBox(left=80, top=0, right=180, bottom=100),
    )
    assert merge_boxes([face], [mouth, other]) == [face, other]
