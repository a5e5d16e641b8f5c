"""MediaPipe Face Landmarker: 478 points with irises, its two networks and its graph in torch.

Its own detector sees faces of about a fifth of the picture and more; `FaceSearch` looks for small ones in pieces of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reenact.errors import ReenactError
from reenact.estimators.base import FaceBox, Image, Points
from reenact.faces.crop import Crop
from reenact.nn import face_detector, face_mesh

Region = NDArray[np.float64]
"""(2, 3) map from the pixels of a region, which a network reads, to the picture's."""

LEAST_FACE = 0.2
"""Size of the smallest face that its detector sees, in longer sides of the picture."""
MOST_FACES = 16
"""Largest number of faces that are looked for in one picture."""
REACHES = (2.0, 1.5, 3.0)
"""Sides of the squares in which a known face is looked for, in sizes of its box."""
SIDE = 512
"""Side of such a square in pixels."""
SAME = 0.3
"""Overlap from which two boxes are of one face."""
SURE = 0.85
"""Confidence from which its detector is believed: a dog's face had 0.805, and mouths and ears in pieces have less."""
POSSIBLE = 0.8
"""Confidence from which a picture without a sure face is looked at again, nearer: faces had 0.846 in the whole picture
and 0.92 in a square around them, where the dog's had 0.81."""
PRESENT = 0.5
"""Probability from which the landmark network is believed that its region has a face."""
REGION = 1.5
"""Sides of the landmark network's region, of those of the detector's box."""

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
        ReenactError: if `face_landmarker.task` is missing or damaged.
    """

    name = "mediapipe"

    def __init__(self) -> None:
        self._detector = face_detector.FaceDetector(*face_mesh.read_member(face_detector.MEMBER))
        self._mesh = face_mesh.FaceMesh(*face_mesh.read_member(face_mesh.MEMBER))

    def detect(self, image: Image) -> list[FaceBox]:
        """All faces, the largest first."""
        whole = Crop(0, 0, 1, 1)
        faces: list[MediaPipeFace] = []
        for face in self._faces(image, self._regions(image, SURE), whole) or self._look_again(image, whole):
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
            picture = crop.warp_to_crop(image)
            faces = self._faces(picture, self._regions(picture, SURE), crop)
            if near := [face for face in faces if face.box.overlap(box) > SAME]:
                return max(near, key=lambda face: face.box.overlap(box))
        return None

    def _look_again(self, image: Image, whole: Crop) -> list[MediaPipeFace]:
        """The faces of a picture without a sure one, each seen in a square around a possible face."""
        possible = self._faces(image, self._regions(image, POSSIBLE), whole)
        return [face for box in possible if (face := self.read(image, box.box))]

    def _faces(self, picture: Image, regions: list[Region], crop: Crop) -> list[MediaPipeFace]:
        """The faces in regions of a picture, in pixels of the frame that it was cut from."""
        scale, faces = crop.size_in_frame / crop.size, []
        for region in regions:
            cut = cut_out(picture, region, face_mesh.SIDE, cv2.BORDER_REPLICATE)
            with torch.inference_mode():
                points, presence = self._mesh.read(_to_tensor(cut) / 255)
            if float(presence) >= PRESENT:
                faces.append(MediaPipeFace(_in_frame(points[0].double().numpy(), region, crop, scale)))
        return faces

    def _regions(self, picture: Image, confidence: float) -> list[Region]:
        """The regions of faces of a confidence. The detector sees the picture in the middle of a black square."""
        square = Crop.whole(*picture.shape[:2]).resized(face_detector.SIDE)
        cut = cut_out(picture, _map_to_picture(square), square.size, cv2.BORDER_CONSTANT)
        (faces,) = self._detector(_to_tensor(cut) / 127.5 - 1, confidence)
        return [region_of(face, square) for face in faces[:MOST_FACES].double().numpy()]


def load_finder(name: str, device: str) -> tuple[MediaPipeEstimator, MediaPipeEstimator, float]:
    """The detector, its landmark network, and the size of the smallest face that it sees in one look."""
    networks = MediaPipeEstimator()
    return networks, networks, LEAST_FACE


def region_of(face: NDArray[np.float64], square: Crop) -> Region:
    """The landmark network's region around a detected face.

    Args:
        face: (16) a detection as `FaceDetector` gives it, in sides of the detector's square.
        square: that square of the picture.
    """
    x, y, width, height = face[:4]
    angle = math.atan2(face[7] - face[5], face[6] - face[4])
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    linear = turn @ np.diag([width, height]) * (REGION * square.size_in_frame / face_mesh.SIDE)
    centre = np.array([x, y]) * square.size_in_frame + (square.left, square.top)
    return np.column_stack((linear, centre - linear @ np.full(2, face_mesh.SIDE / 2)))


def _map_to_picture(square: Crop) -> Region:
    """The map from a crop's pixels to the picture's."""
    scale = square.size_in_frame / square.size
    return np.array([[scale, 0, square.left], [0, scale, square.top]])


def cut_out(picture: Image, region: Region, side: int, border: int) -> Image:
    """Cut a region out of a picture as MediaPipe does: bilinear, without smoothing, its border continued or black.

    MediaPipe maps the index of a pixel in the crop to an index in the picture, not centre to centre.
    """
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(picture, region, (side, side), flags=flags, borderMode=border), np.uint8)


def _to_tensor(picture: Image) -> Tensor:
    """(1, 3, H, W) float32 in [0, 255], with channels last in memory, which halves the time on a CPU."""
    return torch.from_numpy(picture[None]).permute(0, 3, 1, 2).float()


def _in_frame(points: NDArray[np.float64], region: Region, crop: Crop, scale: float) -> NDArray[np.float32]:
    """Points (478, 3) of a region in pixels of the frame; z is in the unit of the region's width, as x is."""
    place = (points[:, :2] @ region[:, :2].T + region[:, 2]) * scale + (crop.left, crop.top)
    depth = points[:, 2:] * np.linalg.norm(region[:, 0]) * scale
    return np.hstack((place, depth)).astype(np.float32)
