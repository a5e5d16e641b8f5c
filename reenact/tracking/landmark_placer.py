"""Landmarks of one face through a clip, some of them checked by turned copies of their frames."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from fractions import Fraction

from reenact.errors import ReenactError
from reenact.estimators.base import FaceBox, LandmarkDetector, Points
from reenact.estimators.turned import WRONG, LandmarkCheck, check_landmarks
from reenact.media.video import Image

CHECK_EVERY = Fraction(48, 100)
"""Seconds from one check to the next: a check takes twice the time of the landmarks, and a head half a second to lie
down."""
TYPICAL_RATE = Fraction(25)
"""Frames per second of pictures, which have no rate."""


@dataclass(frozen=True)
class _RowCheck:
    """A check of the landmarks in one row."""

    row: int
    result: LandmarkCheck
    fresh: bool
    """True where the face was not seen just before: the check tells nothing of the rows before."""


class LandmarkPlacer:
    """Places a face's landmarks frame by frame, and drops those that are not of the face.

    The first landmarks of a shot, those after a gap and then those of one frame every `CHECK_EVERY` seconds are
    checked. Landmarks stay where the checks before and after them pass.

    Args:
        network: Places landmarks.
        fps: Frames per second.
        max_error: Error of a check, in inter-ocular distances, above which landmarks are dropped.
    """

    def __init__(self, network: LandmarkDetector, fps: Fraction = TYPICAL_RATE, max_error: float = WRONG) -> None:
        self._network = network
        self._frames_between = max(1, round(CHECK_EVERY * fps))
        self._max_error = max_error
        self._points: list[Points | None] = []
        self._checks: list[_RowCheck] = []

    def step(self, image: Image, box: FaceBox | None, changed: bool) -> None:
        """Place the landmarks of the next frame.

        Args:
            image: (H, W, 3) RGB frame.
            box: The face's box, None where it is not seen.
            changed: Whether the frame may begin a new shot.
        """
        row, points = len(self._points), self._place(image, box)
        if box is not None and points is not None:
            fresh = changed or not self._points or self._points[-1] is None
            if fresh or row - self._checks[-1].row >= self._frames_between:
                result = check_landmarks(self._network, image, box, points)
                self._checks.append(_RowCheck(row, result, fresh))
        self._points.append(points)

    def collect_points(self) -> list[Points | None]:
        """Landmarks (68, 2) of each frame so far, None where the face is not seen.

        Raises:
            ReenactError: if no frame has landmarks.
        """
        points = list(self._points)
        starts = [check.row for check in self._checks] + [len(points)]
        for check, (start, end) in zip(self._checks, itertools.pairwise(starts), strict=True):
            if self._fails(check):
                points[start:end] = [None] * (end - start)
        for before, after in itertools.pairwise(self._checks):
            if self._fails(after) and not after.fresh:
                points[before.row : after.row] = [None] * (after.row - before.row)
        if all(placed is None for placed in points):
            raise self._explain()
        return points

    def _place(self, image: Image, box: FaceBox | None) -> Points | None:
        try:
            return self._network.landmarks(image, box) if box else None
        except ReenactError:  # MediaPipe looks for the face again, and may not see it in every frame
            return None

    def _fails(self, check: _RowCheck) -> bool:
        return not check.result.error <= self._max_error

    def _explain(self) -> ReenactError:
        if any(check.result.lies for check in self._checks):
            return ReenactError("shows a face that lies on its side", remedy="turn the picture or video upright")
        return ReenactError(f"shows a face on which {self._network.name} can't place landmarks")
