"""InsightFace's packs `buffalo_l` and `antelopev2`: SCRFD detection, 68 and 106 landmarks, ArcFace identity.

Each network is given to the library as a file: by a pack's name it would download, without a limit of time, and from an
empty folder return nothing. Its networks think in pixel indices, so half a pixel is added on the way out.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from reenact import assets
from reenact.errors import ReenactError
from reenact.estimators.base import FaceBox, Image, Points
from reenact.faces.crop import Crop
from reenact.install import install_hint

DETECTION_SIZES: Final = ((128, 128), (640, 640))
"""Sizes at which SCRFD sees a whole picture: a face that fills it is found at the small one. Releases have differed in
their default, so it is never left to them."""
LEAST_FACE: Final = 20 / 640
"""Size of the smallest face that it sees at the large one, in longer sides of the picture: its smallest anchors have 16
pixels."""
NEAR_SIZE: Final = 192
"""Size at which it sees the surroundings of a known face, three times the face's box."""
SURE = 0.5
"""Score from which SCRFD is believed, the library's own figure."""
IDENTITY_SIDE = 112
"""Pixels of ArcFace's square input."""

ArcFaceNetwork = Literal["arcface-r50", "arcface-r100"]
_ARCFACE: Final = {"arcface-r50": ("buffalo_l", "w600k_r50.onnx"), "arcface-r100": ("antelopev2", "glintr100.onnx")}
_DETECTORS: Final = {"buffalo_l": "det_10g.onnx", "antelopev2": "scrfd_10g_bnkps.onnx"}


class InsightFaceEstimator:
    """Detector and landmark detector in one; both packs hold the same files for it.

    Args:
        device: Where the networks run, as torch spells it.

    Raises:
        ReenactError: if a package or the pack is missing, a file is damaged, or the device cannot be used.
    """

    name = "insightface"

    def __init__(self, device: str = "cpu") -> None:
        pack = next((name for name in _DETECTORS if assets.locate_asset(name)), "buffalo_l")
        folder = assets.require_asset(pack)
        self._detector = _load_network(folder / _DETECTORS[pack], "detection", device)
        self._detector.prepare(_choose_context(device), det_thresh=SURE)
        self._landmarks = {
            name: _load_network(folder / file, name, device)
            for name, file in {"landmark_3d_68": "1k3d68.onnx", "landmark_2d_106": "2d106det.onnx"}.items()
        }

    def detect(self, image: Image) -> list[FaceBox]:
        """All faces, the largest first."""
        boxes = self._boxes(image, list(DETECTION_SIZES))
        return sorted(boxes, key=lambda box: box.area, reverse=True)

    def detect_near(self, image: Image, box: FaceBox) -> FaceBox | None:
        """The face that was at `box` a moment ago, or None."""
        (x, y), side = box.centre, 3 * box.size
        crop = Crop(x - side / 2, y - side / 2, side, NEAR_SIZE)
        scale = side / NEAR_SIZE
        faces = self._boxes(crop.warp_to_crop(image), (NEAR_SIZE, NEAR_SIZE))
        near = [face for face in (face.mapped(scale, crop.left, crop.top) for face in faces) if face.overlap(box) > 0.3]
        return max(near, key=lambda face: face.score, default=None)

    def five_points(self, image: Image) -> Points | None:
        """(5, 2) eyes, nose and mouth corners of the largest face, as SCRFD itself sees them, or None.

        InsightFace's own pipeline aligns faces for ArcFace by these.
        """
        boxes, points = self._detector.detect(_to_bgr(image), input_size=list(DETECTION_SIZES))
        if not len(boxes):
            return None
        largest = max(range(len(boxes)), key=lambda row: FaceBox.from_row(boxes[row, :4]).area)
        return np.asarray(points[largest], np.float32) + np.float32(0.5)

    def landmarks(self, image: Image, box: FaceBox) -> Points:
        """(68, 2) landmarks of the face in an SCRFD box.

        They are those of `landmarks_3d` seen from the front: a hidden jaw line stays where it is on the head, instead
        of following the outline as face-alignment's and dlib's do.
        """
        return self.landmarks_3d(image, box)[:, :2]

    def landmarks_3d(self, image: Image, box: FaceBox) -> Points:
        """(68, 3) landmarks: pixels, and depth away from the camera in the same unit, from an origin of its own."""
        return self._place("landmark_3d_68", image, box)

    def landmarks_106(self, image: Image, box: FaceBox) -> Points:
        """(106, 2) landmarks in InsightFace's own order."""
        return self._place("landmark_2d_106", image, box)

    def _boxes(self, image: Image, size: object) -> list[FaceBox]:
        rows, _ = self._detector.detect(_to_bgr(image), input_size=size)
        return [FaceBox.from_row(row[:5]) for row in rows]

    def _place(self, network: str, image: Image, box: FaceBox) -> Points:
        from insightface.app.common import Face

        corners = np.array([box.left, box.top, box.right, box.bottom]) - 0.5
        points = np.array(self._landmarks[network].get(_to_bgr(image), Face(bbox=corners)), np.float32)
        points[:, :2] += 0.5
        return points


class ArcFace:
    """ArcFace's embedding of 512 numbers, compared by their cosine.

    Args:
        network: `arcface-r50` was trained on WebFace600K, `arcface-r100` on Glint360K; their numbers do not compare.
        device: Where the network runs, as torch spells it.

    Raises:
        ReenactError: if a package or the pack is missing, the file is damaged, or the device cannot be used.
    """

    name: str

    def __init__(self, network: ArcFaceNetwork = "arcface-r50", device: str = "cpu") -> None:
        self.name = network
        pack, file = _ARCFACE[network]
        self._network = _load_network(assets.require_asset(pack) / file, "recognition", device)

    def embed(self, image: Image, landmarks: Points) -> NDArray[np.float32]:
        """(512,) embedding, not of unit length, of the face with (68, 2) landmarks.

        The face is turned, scaled and shifted so that eyes, nose and mouth corners come to lie on ArcFace's template.
        """
        return self.embed_five(image, five_points(landmarks))

    def embed_five(self, image: Image, five: Points) -> NDArray[np.float32]:
        """(512,) embedding of the face with these (5, 2) points, see `five_points`."""
        crop = cv2.warpAffine(_to_bgr(image), identity_transform(five), (IDENTITY_SIDE, IDENTITY_SIDE))
        return np.asarray(self._network.get_feat(crop)[0], np.float32)


def load_finder(name: str, device: str) -> tuple[InsightFaceEstimator, InsightFaceEstimator, float]:
    """The detector, its landmark network, and the size of the smallest face that it sees in one look."""
    networks = InsightFaceEstimator(device)
    return networks, networks, LEAST_FACE


def five_points(landmarks: Points) -> Points:
    """(5, 2): the means of the eyes' six points, the nose's tip and the mouth's corners, of (68, 2) landmarks.

    The order is that of ArcFace's template: the eye, and the corner, at the picture's left come first.
    """
    eyes = landmarks[36:42].mean(0), landmarks[42:48].mean(0)
    return np.stack([*eyes, landmarks[30], landmarks[48], landmarks[54]])


def identity_transform(five: Points) -> NDArray[np.float64]:
    """(2, 3) matrix from pixel indices of the picture, x right and y down, to those of ArcFace's 112 x 112 crop.

    The least-squares similarity from the five points (continuous pixels) to the template, as the library's
    `norm_crop` finds it.
    """
    from insightface.utils.face_align import arcface_dst
    from skimage.transform import estimate_transform

    indices = five.astype(np.float64) - 0.5
    transform = estimate_transform("similarity", indices, arcface_dst)  # type: ignore[no-untyped-call]
    return np.asarray(transform.params[:2], np.float64)


def _load_network(path: Path, task: str, device: str) -> Any:  # noqa: ANN401  # insightface has no types
    """Load one of the library's networks, which it recognises by the shapes of its inputs and outputs."""
    try:
        import onnxruntime
        from insightface.model_zoo import get_model
    except ImportError as error:
        raise ReenactError(
            f"InsightFace is not installed: {install_hint('insightface')}, or use another estimator"
        ) from error
    onnxruntime.set_default_logger_severity(3)
    providers = _list_providers(device)
    try:
        network = get_model(str(path), providers=providers, sess_options=_build_options(), download=False)
    except Exception as error:
        # whatever a damaged file makes the parsers raise, it means one thing to the person
        raise ReenactError(f"{path} is damaged ({type(error).__name__}): get the pack again") from error
    if network is None or network.taskname != task:
        task_name = "unknown" if network is None else network.taskname
        raise ReenactError(f"{path} is a network for {task_name}, not {task}: get the pack again")
    if device != "cpu" and network.session.get_providers() == ["CPUExecutionProvider"]:
        raise ReenactError(
            f"onnxruntime found no libraries to run on {device}: install its CUDA and cuDNN, or choose cpu"
        )
    return network


def _list_providers(device: str) -> list[Any]:
    import onnxruntime

    if device == "cpu":
        return ["CPUExecutionProvider"]
    kind, _, index = device.partition(":")
    if kind != "cuda" or "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        raise ReenactError(
            f"InsightFace cannot run on {device}: pip install onnxruntime-gpu in place of onnxruntime, or choose cpu"
        )
    return [("CUDAExecutionProvider", {"device_id": int(index or 0)}), "CPUExecutionProvider"]


def _build_options() -> Any:  # noqa: ANN401  # onnxruntime has no types
    """Session options with as many threads as torch has; by itself the library takes every core in every process."""
    import onnxruntime
    import torch

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    return options


def _choose_context(device: str) -> int:
    return -1 if device == "cpu" else 0


def _to_bgr(image: Image) -> Image:
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2BGR), np.uint8)
