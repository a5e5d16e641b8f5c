"""MediaPipe Face Landmarker: 478 points with irises and 52 blendshapes in about 10 ms on one core of a CPU.

Its own detector sees faces of about a fifth of the picture and more, so small ones are looked for in pieces of it.
"""

from __future__ import annotations

import itertools
import os
import sys
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from reenact import assets
from reenact.errors import ReenactError
from reenact.estimators.base import FaceBox, Image, Points
from reenact.faces.crop import Crop
from reenact.install import install_hint

PIECES = (2, 4)
"""The picture's longer side in pieces' sides, piece overlapping piece by half: where smaller faces are looked for."""
LEAST_PIECE = 96
"""Pixels; in smaller pieces a face has too few pixels for its landmarks."""
MOST_FACES = 16
"""How many faces are looked for in one picture."""
REACHES = (2.0, 1.5, 3.0)
"""Sides of the squares in which a known face is looked for, in sizes of its box."""
SIDE = 512
"""Pixels of such a square."""
SAME = 0.3
"""Overlap from which two boxes are of one face."""
SURE = 0.8
"""Confidence from which its detector is believed: below, a dog's face was found, and mouths and ears in pieces."""

_JAW = ((127, 127), (234, 234), (93, 132), (132, 58), (172, 172), (136, 136), (149, 149), (176, 148), (152, 152),
        (377, 400), (378, 378), (365, 365), (397, 397), (288, 361), (361, 323), (454, 454), (356, 356))  # fmt: skip
_BROWS = ((70, 46), (63, 53), (105, 52), (66, 65), (107, 55),
          (336, 285), (296, 295), (334, 282), (293, 283), (300, 276))  # fmt: skip
_NOSE = ((168, 168), (6, 197), (195, 5), (4, 4), (240, 240), (97, 97), (2, 2), (326, 326), (460, 460))
_EYES = ((33, 33), (160, 159), (158, 158), (133, 133), (153, 153), (144, 144),
         (362, 362), (385, 385), (386, 387), (263, 263), (373, 373), (380, 380))  # fmt: skip
_OUTER_LIPS = ((61, 61), (39, 40), (37, 37), (0, 0), (267, 267), (269, 270), (291, 291),
               (321, 405), (314, 314), (17, 17), (84, 84), (91, 181))  # fmt: skip
_INNER_LIPS = ((78, 78), (82, 82), (13, 13), (312, 312), (308, 308), (317, 317), (14, 14), (87, 87))
IBUG68: Final = np.array([*_JAW, *_BROWS, *_NOSE, *_EYES, *_OUTER_LIPS, *_INNER_LIPS])
"""(68, 2) vertices of MediaPipe's mesh whose mean is an iBUG-68 landmark.

Our own: of the vertices and the means of neighbours along a contour, alike on both sides of the face, those nearest to
dlib's landmarks on 60 real pictures. A brow is the middle between its two edges. The median distance is 2 % of the
inter-ocular one, 3 to 5 % on the jaw and 7 % at the brows' middle.
"""


@dataclass(frozen=True)
class MediaPipeFace:
    """Everything that MediaPipe says about a face."""

    points: NDArray[np.float32]
    """(478, 3) in picture pixels: x right, y down, z away from the camera about the head's middle; 468 to 477 are the
    irises, the one at the picture's left first, each with its centre first."""
    blendshapes: dict[str, float]
    """Strength in [0, 1] by ARKit's name, such as `jawOpen`."""

    @property
    def box(self) -> FaceBox:
        """The smallest box around all points."""
        return FaceBox.around(self.points[:, :2])

    @property
    def landmarks(self) -> Points:
        """(68, 2) iBUG-68 landmarks; see `IBUG68`."""
        corners: Points = self.points[IBUG68, :2]
        return np.asarray(corners.mean(1), np.float32)


class MediaPipeEstimator:
    """Detector and landmark detector in one; runs on the CPU.

    Raises:
        ReenactError: if the package or `face_landmarker.task` is missing, or the file is damaged.
    """

    name = "mediapipe"

    def __init__(self) -> None:
        path = assets.require("mediapipe")
        try:
            import mediapipe
            from mediapipe.tasks.python import BaseOptions, vision
        except ImportError as error:
            raise ReenactError(f"MediaPipe is not installed: {install_hint('mediapipe')}, or use dlib") from error
        options = vision.FaceLandmarkerOptions(
            base_options=BaseOptions(model_asset_path=str(path)),
            num_faces=MOST_FACES,
            min_face_detection_confidence=SURE,
            output_face_blendshapes=True,
        )
        self._library = mediapipe
        try:
            with _silence():
                self._landmarker = vision.FaceLandmarker.create_from_options(options)
                list(self._faces(np.zeros((SIDE, SIDE, 3), np.uint8), Crop.whole(SIDE, SIDE)))
        except (OSError, RuntimeError, ValueError) as error:
            raise ReenactError(
                f"{path} is damaged or no Face Landmarker: get it again with 'reenact weights get mediapipe'"
            ) from error
        # an open landmarker makes noise when the interpreter ends
        weakref.finalize(self, self._landmarker.close)

    def detect(self, image: Image) -> list[FaceBox]:
        """All faces, the largest first."""
        faces: list[MediaPipeFace] = []
        for left, top, side in _pieces(*image.shape[:2]):
            piece = image[top : top + side, left : left + side]
            for face in self._faces(piece, Crop(left, top, 1, 1)):
                if all(face.box.overlap(other.box) < SAME for other in faces):
                    faces.append(face)
        return sorted((face.box for face in faces), key=lambda box: box.area, reverse=True)

    def detect_near(self, image: Image, box: FaceBox) -> FaceBox | None:
        """The face that was at `box` a moment ago, or None."""
        face = self.read(image, box)
        return face.box if face else None

    def landmarks(self, image: Image, box: FaceBox) -> Points:
        """(68, 2) landmarks of the face in a box.

        Raises:
            ReenactError: if MediaPipe sees no face there.
        """
        face = self.read(image, box)
        if face is None:
            raise ReenactError("MediaPipe sees no face where one was detected: choose another landmark estimator")
        return face.landmarks

    def read(self, image: Image, box: FaceBox) -> MediaPipeFace | None:
        """Everything about the face at a box, or None where MediaPipe sees none."""
        (x, y), size = box.centre, box.size
        for reach in REACHES:
            side = reach * size
            crop = Crop(x - side / 2, y - side / 2, side, SIDE)
            near = [face for face in self._faces(crop.warp_to_crop(image), crop) if face.box.overlap(box) > SAME]
            if near:
                return max(near, key=lambda face: face.box.overlap(box))
        return None

    def _faces(self, picture: Image, crop: Crop) -> Iterator[MediaPipeFace]:
        """The faces of a picture, in pixels of the frame that it was cut from."""
        scale = crop.size_in_frame / crop.size
        height, width = picture.shape[:2]
        data = self._library.Image(image_format=self._library.ImageFormat.SRGB, data=np.ascontiguousarray(picture))
        found = self._landmarker.detect(data)
        for landmarks, shapes in zip(found.face_landmarks, found.face_blendshapes, strict=True):
            # z is in units of the width, as x is
            points = np.array([(p.x * width, p.y * height, p.z * width) for p in landmarks]) * scale
            points[:, :2] += crop.left, crop.top
            yield MediaPipeFace(points.astype(np.float32), {shape.category_name: shape.score for shape in shapes})


@contextmanager
def _silence() -> Iterator[None]:
    """Close the error output for a moment: the library tells it of its threads and delegates, and has no switch."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _pieces(height: int, width: int) -> Iterator[tuple[int, int, int]]:
    """Left, top and side of the whole picture and of its overlapping square pieces, large ones first."""
    longer = max(height, width)
    yield 0, 0, longer
    for count in PIECES:
        side = longer // count
        if side < LEAST_PIECE:
            return
        tops, lefts = _starts(height, side), _starts(width, side)
        yield from ((left, top, side) for top, left in itertools.product(tops, lefts))


def _starts(length: int, side: int) -> list[int]:
    """Where pieces begin along one axis: they overlap by half or more and reach both ends."""
    room = max(0, length - side)
    count = -(-2 * room // side) + 1
    return [round(start) for start in np.linspace(0, room, count)]
