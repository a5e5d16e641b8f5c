"""Landmarks checked by estimates on turned copies of the picture, the same for every landmark network.

A network that is right about a face places its landmarks on the same spots of a copy turned by some degrees. A network
that can't read a face, such as one that lies on its side, places an upright face anyway: its landmarks do not turn with
the picture. On the copy that shows the face upright they do, and there they are elsewhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from reenact.errors import ReenactError
from reenact.estimators.base import FaceBox, Image, LandmarkDetector, Points
from reenact.faces.crop import Crop
from reenact.faces.landmarks import OUTER_EYE_CORNERS, inter_ocular_distance

WRONG = 0.1
"""Error, in inter-ocular distances, above which landmarks are not of the face. On real clips and portraits, dlib's and
MediaPipe's: ERRORS."""
LYING = 30.0
"""Degrees from which a face with wrong landmarks counts as lying: up to there networks follow the turn."""
CLEAR = 0.25
"""Spread of the copies' landmarks, of the error, up to which they and not the picture's are believed."""
TILT = 20.0
"""Degrees to either side of upright at which copies show the face, if the landmarks on them are right."""
TURNS = (45.0, 90.0, 135.0, 180.0, 225.0, 270.0, 315.0)
"""Turns in degrees of the copies on one of which a lying face is nearly upright."""
REACH = 4.0
"""Side of a copy, in sizes of the face's box: detectors look around it."""
LARGEST = 640
"""Largest side of a copy in pixels."""
SURE = 0.03
"""Spread of the copies' landmarks, in inter-ocular distances, up to which no other turn is tried."""
CLEAR = 0.5
"""Share of the spread of the picture as it stands below which another turn is believed instead: small or dark faces
give spreads of one size at several turns; faces that lie gave at most 0.37."""


@dataclass(frozen=True)
class LandmarkCheck:
    """Landmarks compared with those of turned copies."""

    error: float
    """Mean distance to the landmarks of the copies that agree best, to the nearer of the two, in inter-ocular
    distances; infinite where no copy has landmarks."""
    roll: float
    """Degrees by which the landmarks of those copies are turned in the picture, counter-clockwise."""
    spread: float
    """Mean distance between the landmarks on those copies, in inter-ocular distances."""

    @property
    def lies(self) -> bool:
        """Tell if the face lies on its side or upside down, and the landmarks do not."""
        return self.error > WRONG and abs(self.roll) >= LYING and self.spread <= CLEAR * self.error


@dataclass(frozen=True)
class _Copies:
    """Landmarks (68, 2) on copies that show the face nearly upright, in pixels of the picture, and their spread."""

    spread: float
    landmarks: tuple[Points, ...]


class _TurnedPicture:
    """The surroundings of a face, and a network that places its landmarks on turned copies of them."""

    def __init__(self, network: LandmarkDetector, image: Image, box: FaceBox) -> None:
        (x, y), side = box.centre, REACH * max(box.size, 1.0)
        self._network = network
        self._crop = Crop(x - side / 2, y - side / 2, side, min(max(1, round(side)), LARGEST))
        self._image = self._crop.warp_to_crop(image, outside="edge")
        scale = self._crop.size / side
        self._box = box.mapped(scale, -self._crop.left * scale, -self._crop.top * scale)

    def place_landmarks(self, turn: float) -> Points | None:
        """(68, 2) landmarks on a copy turned counter-clockwise by degrees, in pixels of the picture."""
        middle = (self._crop.size - 1) / 2
        matrix = cv2.getRotationMatrix2D((middle, middle), turn, 1.0).astype(np.float64, copy=False)
        shape = self._crop.size, self._crop.size
        copy = cv2.warpAffine(self._image, matrix, shape, borderMode=cv2.BORDER_REPLICATE)
        try:
            points = self._network.landmarks(copy.astype(np.uint8, copy=False), self._box)
        except ReenactError:  # MediaPipe looks for the face again, and may not see it in the copy
            return None
        return self._crop.to_frame(_turn_back(points, matrix))

    def compare_copies(self, points: Points) -> _Copies:
        """Place landmarks on the copies that show a face with these landmarks nearly upright."""
        roll = measure_roll(points)
        pair = [self.place_landmarks(tilt - roll) for tilt in (-TILT, TILT)]
        placed = tuple(landmarks for landmarks in pair if landmarks is not None)
        spread = np.mean([measure_distance(points, landmarks) for landmarks in placed]) if placed else math.inf
        return _Copies(float(spread), placed)

    def try_turn(self, turn: float) -> _Copies:
        """Place landmarks on a copy turned by degrees, and compare them with those of further copies."""
        points = self.place_landmarks(turn)
        return _Copies(math.inf, ()) if points is None else self.compare_copies(points)


def check_landmarks(network: LandmarkDetector, image: Image, box: FaceBox, points: Points) -> LandmarkCheck:
    """Compare the landmarks of a face with the network's landmarks on turned copies of the picture.

    Args:
        network: Places the landmarks.
        image: (H, W, 3) RGB picture.
        box: The face's box.
        points: (68, 2) landmarks of the network in pixels.
    """
    turned = _TurnedPicture(network, image, box)
    copies = [turned.compare_copies(points)]
    if copies[0].spread > SURE:
        copies += [turned.try_turn(turn) for turn in TURNS]
    best = min(copies, key=lambda copy: copy.spread)
    if best.spread > CLEAR * copies[0].spread:
        best = copies[0]
    if not best.landmarks:
        return LandmarkCheck(math.inf, 0.0, math.inf)
    nearest = min(best.landmarks, key=lambda landmarks: measure_distance(points, landmarks))
    return LandmarkCheck(measure_distance(points, nearest), measure_roll(nearest), best.spread)


def measure_roll(points: Points) -> float:
    """Measure the turn of landmarks (68, 2) by the line through the outer eye corners, counter-clockwise in degrees."""
    right_eye, left_eye = (points[corner] for corner in OUTER_EYE_CORNERS)
    return math.degrees(math.atan2(float(right_eye[1] - left_eye[1]), float(left_eye[0] - right_eye[0])))


def measure_distance(points: Points, others: Points) -> float:
    """Mean distance between landmarks (68, 2), in inter-ocular distances of the others."""
    return float(np.linalg.norm(points - others, axis=1).mean() / max(float(inter_ocular_distance(others)), 1e-6))


def _turn_back(points: Points, matrix: NDArray[np.float64]) -> Points:
    # The matrix maps pixel numbers, and the middle of a pixel is half a pixel further.
    inverse = cv2.invertAffineTransform(matrix)
    return ((points - 0.5) @ inverse[:, :2].T + inverse[:, 2] + 0.5).astype(np.float32)
