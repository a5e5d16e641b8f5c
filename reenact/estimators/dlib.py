"""dlib, the estimator that works offline: its weights come with the packages `dlib-bin` and `face_recognition_models`.

The 68-point predictor was trained on 300-W, which excludes commercial use.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from reenact.errors import ReenactError
from reenact.estimators.base import FaceBox, Image, Points
from reenact.install import install_hint

LEAST_FACE = 80 / 2560
"""Size of the smallest face that HOG finds at its largest scale, in longer sides of the picture."""
HOG_SIDES = (320, 640, 1280, 2560)
"""Longest sides at which the HOG detector looks; it finds faces of 80 pixels and more."""
HOG_SURE = 0.5
"""HOG score from which a face is believed; below, a dog's face was found with 0.2."""
HOG_NEAR = -0.3
"""HOG score that suffices where a face was a moment ago."""
CNN_SIDES = (400, 800)
"""Longest sides at which the CNN detector looks where HOG found nothing, 1 and 4 s on one core."""
CNN_FACE = 110
"""Pixels of the largest face that HOG found, where the CNN detector looks for more: a fraction of a second mostly."""
CLOSE_UP = 0.12
"""Share of the picture from which a face leaves no room for another as large, so that the CNN need not look."""
CNN_SURE = 0.6
"""CNN score from which a further face is believed."""
PATCH = 400
"""Side of the patch in which landmarks are placed: dlib rounds them to whole pixels."""
JITTER = ((0.0, 0.0, 1.0), (-0.04, 0.0, 1.0), (0.04, 0.0, 1.0), (0.0, -0.04, 1.05), (0.0, 0.04, 0.95))
"""Shifts (of the box's size) and scales of the boxes over whose landmarks the mean is taken; it halves their noise."""


class DlibDetector:
    """HOG at several scales, and the CNN detector for pictures in which it finds nothing.

    Raises:
        ReenactError: if dlib or its weights are not installed.
    """

    name = "dlib"

    def __init__(self) -> None:
        self._hog = _import_dlib().get_frontal_face_detector()
        self._cnn: Any = None

    def detect(self, image: Image) -> list[FaceBox]:
        """All faces, the largest first."""
        boxes: list[FaceBox] = []
        longest = max(image.shape[:2])
        tried = 0
        for side in HOG_SIDES:
            scale = min(1.0, side / max(image.shape[:2]))
            if scale * max(image.shape[:2]) > tried:
                boxes = _merge_boxes(boxes, [box for box in self._run_hog(image, scale) if box.score >= HOG_SURE])
                tried = round(scale * max(image.shape[:2]))
        if boxes and max(box.area for box in boxes) < CLOSE_UP * image.shape[0] * image.shape[1]:
            side = min(longest * CNN_FACE / max(box.size for box in boxes), CNN_SIDES[-1])
            more = [box for box in self._run_cnn(image, min(1.0, side / longest)) if box.score >= CNN_SURE]
            boxes += [box for box in more if not any(other.holds(box.centre) for other in boxes)]
        for side in CNN_SIDES:
            boxes = boxes or self._run_cnn(image, min(1.0, side / longest))
        return sorted(boxes, key=lambda box: box.area, reverse=True)

    def detect_near(self, image: Image, box: FaceBox) -> FaceBox | None:
        """The face near `box`: HOG on a patch of twice its size, in which the face has 110 pixels."""
        scale = box.size / 110
        (x, y), side = box.centre, 220
        x_min, y_min = x - side * scale / 2, y - side * scale / 2
        patch = _cut_patch(image, x_min, y_min, scale, side)
        faces = [face.mapped(scale, x_min, y_min) for face in _to_boxes(self._hog.run(patch, 0, HOG_NEAR))]
        near = [face for face in faces if face.overlap(box) > 0.3]
        return max(near, key=lambda face: face.score, default=None)

    def _run_hog(self, image: Image, scale: float) -> list[FaceBox]:
        detections = self._hog.run(_scale_image(image, scale), 0, 0.0)
        return [box.mapped(1 / scale, 0, 0) for box in _to_boxes(detections)]

    def _run_cnn(self, image: Image, scale: float) -> list[FaceBox]:
        if self._cnn is None:
            self._cnn = _import_dlib().cnn_face_detection_model_v1(find_weights("mmod_human_face_detector.dat"))
        detections = self._cnn(_scale_image(image, scale), 0)
        boxes = _to_boxes(([face.rect for face in detections], [face.confidence for face in detections]))
        return [box.mapped(1 / scale, 0, 0) for box in boxes]


class DlibLandmarks:
    """The 68-point shape predictor, in a patch of fixed size, mean over a few boxes.

    Raises:
        ReenactError: if dlib or its weights are not installed.
    """

    name = "dlib"

    def __init__(self) -> None:
        self._predictor = _load_predictor(find_weights("shape_predictor_68_face_landmarks.dat"))

    def landmarks(self, image: Image, box: FaceBox) -> Points:
        """(68, 2) landmarks of the face in a box of `DlibDetector`."""
        scale = 2 * box.size / PATCH
        (x, y), (x_min, y_min) = box.centre, (box.centre[0] - box.size, box.centre[1] - box.size)
        patch = _cut_patch(image, x_min, y_min, scale, PATCH)
        results = []
        for shift_x, shift_y, grow in JITTER:
            half = box.size / 2 * grow
            centre = (x + shift_x * box.size - x_min) / scale, (y + shift_y * box.size - y_min) / scale
            results.append(_to_points(self._predictor(patch, _to_rectangle(*centre, half / scale))))
        mean: Points = np.mean(results, axis=0, dtype=np.float32)
        return mean * np.float32(scale) + np.array([x_min, y_min], np.float32)


class DlibIdentity:
    """dlib's ResNet embedding of 128 numbers; two pictures of a person are less than about 0.6 apart.

    Raises:
        ReenactError: if dlib or its weights are not installed.
    """

    name = "dlib"

    def __init__(self) -> None:
        self._network = _import_dlib().face_recognition_model_v1(
            find_weights("dlib_face_recognition_resnet_model_v1.dat")
        )

    def embed(self, image: Image, landmarks: Points) -> NDArray[np.float32]:
        """(128,) embedding; not of unit length."""
        dlib = _import_dlib()
        points = [dlib.point(round(x), round(y)) for x, y in (landmarks - 0.5).tolist()]
        box = FaceBox.around(landmarks)
        shape = dlib.full_object_detection(_to_rectangle(*box.centre, box.size / 2), points)
        return np.array(self._network.compute_face_descriptor(np.ascontiguousarray(image), shape), np.float32)


def load_finder(name: str, device: str) -> tuple[DlibDetector, DlibLandmarks, float]:
    """The detector, its landmark network, and the size of the smallest face that it sees in one look."""
    return DlibDetector(), DlibLandmarks(), LEAST_FACE


def load_identity(name: str, device: str) -> DlibIdentity:
    """The identity network, which runs on the CPU."""
    return DlibIdentity()


def find_weights(file: str) -> str:
    """The path of a weight file in the package `face_recognition_models`.

    The package is not imported: it asks for `pkg_resources`, which new setuptools do not have.

    Raises:
        ReenactError: if the package is not installed.
    """
    spec = find_spec("face_recognition_models")
    folders = spec.submodule_search_locations if spec else None
    path = Path(folders[0]) / "models" / file if folders else None
    if path is None or not path.is_file():
        raise ReenactError(f"dlib's {file} is missing: {install_hint('dlib')}, or choose another estimator")
    return str(path)


@cache
def _import_dlib() -> Any:  # noqa: ANN401  # dlib has no types
    try:
        import dlib
    except ImportError as error:
        raise ReenactError(f"dlib is not installed: {install_hint('dlib')}, or choose another estimator") from error
    return dlib


@cache
def _load_predictor(path: str) -> Any:  # noqa: ANN401  # dlib has no types
    """Read the 100 MB of the shape predictor once in a process; it holds no state."""
    return _import_dlib().shape_predictor(path)


def _to_boxes(detections: Any) -> list[FaceBox]:  # noqa: ANN401  # dlib has no types
    rectangles, scores = detections[0], detections[1]
    return [
        FaceBox(left=r.left(), top=r.top(), right=r.right() + 1, bottom=r.bottom() + 1, score=float(score))
        for r, score in zip(rectangles, scores, strict=True)
    ]


def _to_rectangle(x: float, y: float, half: float) -> Any:  # noqa: ANN401  # dlib has no types
    return _import_dlib().rectangle(round(x - half), round(y - half), round(x + half) - 1, round(y + half) - 1)


def _to_points(shape: Any) -> Points:  # noqa: ANN401  # dlib has no types
    # dlib's points are pixel numbers; the middle of a pixel is half a pixel further
    return np.array([(part.x + 0.5, part.y + 0.5) for part in shape.parts()], np.float32)


def _scale_image(image: Image, scale: float) -> Image:
    if scale == 1:
        return np.ascontiguousarray(image)
    size = round(image.shape[1] * scale), round(image.shape[0] * scale)
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def _cut_patch(image: Image, x_min: float, y_min: float, scale: float, side: int) -> Image:
    """A square of `side` pixels: pixel q shows the frame at q * scale + (left, top), both in continuous pixels."""
    matrix = np.array([[scale, 0, x_min + scale / 2 - 0.5], [0, scale, y_min + scale / 2 - 0.5]])
    # warpAffine takes single samples, so a reduction is averaged first, by a whole number that keeps pixel edges
    step = max(1, int(scale))
    if step > 1:
        height, width = (length // step * step for length in image.shape[:2])
        image = cv2.resize(
            image[:height, :width], (width // step, height // step), interpolation=cv2.INTER_AREA
        ).astype(np.uint8, copy=False)
        inner = scale / step
        matrix = np.array([[inner, 0, x_min / step + inner / 2 - 0.5], [0, inner, y_min / step + inner / 2 - 0.5]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(image, matrix, (side, side), flags=flags).astype(np.uint8, copy=False)


def _merge_boxes(boxes: list[FaceBox], more: list[FaceBox]) -> list[FaceBox]:
    """Both lists without the boxes that lie on one already there."""
    result = list(boxes)
    result += [box for box in more if all(box.overlap(other) < 0.4 for other in result)]
    return result
