"""Search for a face and its way through a clip: cuts, boxes, and landmarks in one pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction

import cv2
import numpy as np
from numpy.typing import NDArray

from reenact.errors import ReenactError
from reenact.estimators.base import Detector, FaceBox
from reenact.estimators.registry import FaceFinder
from reenact.media.video import Image
from reenact.tracking.face_track import FaceTrack, assemble_track
from reenact.tracking.landmark_placer import TYPICAL_RATE, LandmarkPlacer

SEARCH_EVERY = 12
"""Frames between thorough searches while the face is lost: one costs seconds where there is no face."""
CUT_CONTRAST = 20.0
"""Mean change of a 16 x 16 grey thumbnail, of 255, from which a new picture may be a cut."""
DARK = 16.0
"""Brightest value of the thumbnail, of 255, up to which a frame counts as black: 16 is video's black level."""
ALIKE = 0.8
"""Area of the second largest face, of the largest's, from which it is not clear who is meant."""
IN_REGION = 0.1
"""Least overlap (intersection over union) of a face with the data set's own box around it."""


class CutFinder:
    """Tells frames that may begin a new shot, by their looks alone."""

    def __init__(self) -> None:
        self._before: NDArray[np.float32] | None = None

    def step(self, image: Image) -> tuple[bool, bool]:
        """Tell if the frame differs much from the one before, and if it is black."""
        small = cv2.resize(image, (16, 16), interpolation=cv2.INTER_AREA).astype(np.float32).mean(2)
        before, self._before = self._before, small
        changed = before is not None and float(np.abs(small - before).mean()) > CUT_CONTRAST
        return changed, float(small.max()) <= DARK


class FaceTracker:
    """Follows one face: found in the whole picture once, then near where it was, and again where it got lost.

    The face is the one of number `index`, counted from the largest of the first picture that shows so many; without a
    number the one that lies in `region`; without either the largest, from the first picture on in which no other is
    nearly as large.

    Args:
        detector: Finds faces.
        index: Which face, 0 is the largest.
        region: Left, top, right and bottom of a box around the face, as fractions of the frame.
    """

    def __init__(
        self, detector: Detector, index: int | None = None, region: tuple[float, float, float, float] | None = None
    ) -> None:
        self._detector = detector
        self._index = index
        self._region = region
        self._most = 0
        self._lying = False
        self._box: FaceBox | None = None
        self._lost = 0

    def step(self, image: Image, changed: bool) -> FaceBox | None:
        """The face's box in the next frame, or None; `changed` says that the frame may begin a new shot."""
        box = self._near(image) or self._search(image, changed)
        if box is None:
            self._lost += 1
        else:
            self._box, self._lost = box, 0
        return box

    def check(self) -> None:
        """Raise `ReenactError` if no frame has shown the face that is meant, with the reason."""
        if self._box is not None:
            return
        if not self._most and self._lying:
            raise ReenactError("shows a face that lies on its side", remedy="turn the picture or video upright")
        if not self._most:
            raise ReenactError("shows no face")
        if self._index is not None:
            raise ReenactError(
                f"shows {self._most} face(s), so there is none of index {self._index}", remedy="0 is the largest"
            )
        if self._region is not None:
            raise ReenactError(
                f"shows {self._most} face(s), none where the data set says", remedy="the file is another one"
            )
        raise ReenactError(f"shows {self._most} faces of nearly the same size", remedy="choose one with --face-index")

    def _near(self, image: Image) -> FaceBox | None:
        """The face where it was, while it was seen at most some frames ago."""
        if self._box is None or self._lost > SEARCH_EVERY:
            return None
        return self._detector.detect_near(image, self._box)

    def _search(self, image: Image, changed: bool) -> FaceBox | None:
        """The face anywhere: when nothing is known, after a sudden change, and now and then while it is lost."""
        if self._lost % SEARCH_EVERY and not changed:
            return None
        detected = self._detector.detect(image)
        boxes = [box for box in detected if not box.lies]
        self._lying |= len(boxes) < len(detected)
        self._most = max(self._most, len(boxes))
        if self._box is None or self._lost > SEARCH_EVERY or changed:
            return self._chosen(boxes, image)
        return _nearest_box(boxes, self._box)

    def _chosen(self, boxes: list[FaceBox], image: Image) -> FaceBox | None:
        if self._index is not None:
            return boxes[self._index] if len(boxes) > self._index else None
        if self._region is not None:
            (left_edge, top, right, bottom), (height, width) = self._region, image.shape[:2]
            return _nearest_box(
                boxes, FaceBox(left=left_edge * width, top=top * height, right=right * width, bottom=bottom * height)
            )
        clear = len(boxes) == 1 or (boxes and boxes[1].area < ALIKE * boxes[0].area)
        return boxes[0] if clear else None


def track_face(
    images: Iterable[Image],
    finder: FaceFinder,
    face_index: int = 0,
    on_frame: Callable[[], None] = lambda: None,
    fps: Fraction = TYPICAL_RATE,
) -> FaceTrack:
    """Follow a face and place its landmarks, in one pass.

    Args:
        images: (H, W, 3) RGB frames of one size, taken one at a time.
        finder: Detector and landmarks.
        face_index: Which face of the first picture that shows one: 0 is the largest.
        on_frame: Called after each frame.
        fps: Frames per second.

    Raises:
        ReenactError: if no frame shows a face, none has as many faces as `face_index` asks for, or the face lies.
    """
    cuts, tracker = CutFinder(), FaceTracker(finder.detector, face_index)
    placer = LandmarkPlacer(finder.landmarks, fps)
    changes: list[bool] = []
    size = 0, 0
    for image in images:
        size = image.shape[1], image.shape[0]
        changed, _ = cuts.step(image)
        placer.step(image, tracker.step(image, changed), changed)
        changes.append(changed)
        on_frame()
    tracker.check()
    return assemble_track(placer.collect_points(), np.array(changes), *size)


def _nearest_box(boxes: list[FaceBox], box: FaceBox) -> FaceBox | None:
    near = (candidate for candidate in boxes if candidate.overlap(box) > IN_REGION)
    return max(near, key=box.overlap, default=None)
