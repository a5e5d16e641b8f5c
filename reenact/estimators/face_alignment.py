"""face-alignment: S3FD detection and the landmark networks 2DFAN-4 and 3DFAN-4, where their weights are present."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from reenact import assets
from reenact.errors import ReenactError
from reenact.estimators.base import FaceBox, Image, Points
from reenact.estimators.weights import read_weights, strip_prefix
from reenact.install import install_hint

DETECTION_SIDE = 640
"""Longest side at which S3FD looks; its cost grows with the area."""
LEAST_FACE = 20 / DETECTION_SIDE
"""Size of the smallest face that it sees there, in longer sides of the picture: its smallest anchors have 16 pixels."""


class FaceAlignmentEstimator:
    """Detector and landmark detector in one; never downloads.

    Args:
        device: Where the networks run.

    Raises:
        ReenactError: if the package or its weights are missing, or a file is damaged; the message names it.
    """

    name = "face-alignment"
    _three_d = False

    def __init__(self, device: str = "cpu") -> None:
        self._library = _load_library(device, self._three_d)

    def detect(self, image: Image) -> list[FaceBox]:
        """All faces, the largest first."""
        scale = min(1.0, DETECTION_SIDE / max(image.shape[:2]))
        small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        detections = self._library.face_detector.detect_from_image(small)
        boxes = [FaceBox.from_row(face[:5]).mapped(1 / scale, 0, 0) for face in detections]
        return sorted(boxes, key=lambda box: box.area, reverse=True)

    def detect_near(self, image: Image, box: FaceBox) -> FaceBox | None:
        """The face near `box`, looked for in a patch of three times its size."""
        (x, y), reach = box.centre, 1.5 * box.size
        x_min, y_min = max(0, round(x - reach)), max(0, round(y - reach))
        patch = image[y_min : round(y + reach), x_min : round(x + reach)]
        if not patch.size:
            return None
        faces = [face.mapped(1, x_min, y_min) for face in self.detect(patch)]
        near = [face for face in faces if face.overlap(box) > 0.3]
        return max(near, key=lambda face: face.score, default=None)

    def landmarks(self, image: Image, box: FaceBox) -> Points:
        """(68, 2) landmarks of the face in an S3FD box; on the jaw line they follow the visible outline."""
        return self._place(image, box)

    def _place(self, image: Image, box: FaceBox) -> Points:
        corners = np.array([box.left, box.top, box.right, box.bottom, box.score])
        points = self._library.get_landmarks_from_image(np.ascontiguousarray(image), detected_faces=[corners])
        return np.asarray(points[0], np.float32)


class FaceAlignment3D(FaceAlignmentEstimator):
    """Detector of `FaceAlignmentEstimator` with landmarks in 3D: a hidden jaw line stays where it is on the head."""

    name = "face-alignment-3d"
    _three_d = True

    def landmarks(self, image: Image, box: FaceBox) -> Points:
        """(68, 2) landmarks of the face in an S3FD box: those of `landmarks_3d` seen from the front."""
        return self._place(image, box)[:, :2]

    def landmarks_3d(self, image: Image, box: FaceBox) -> Points:
        """(68, 3) landmarks: pixels, and depth in the same unit, from an origin of its own."""
        return self._place(image, box)


def load_finder(name: str, device: str) -> tuple[FaceAlignmentEstimator, FaceAlignmentEstimator, float]:
    """The detector, its landmark network, and the size of the smallest face that it sees in one look."""
    networks = FaceAlignment3D(device) if name == FaceAlignment3D.name else FaceAlignmentEstimator(device)
    return networks, networks, LEAST_FACE


def _load_library(device: str, three_d: bool) -> Any:  # noqa: ANN401  # face-alignment has no types
    """The library's object, its networks read from our asset folder: it knows its own cache and a download alone."""
    detector, network = assets.require_asset("s3fd"), assets.require_asset("fan3d" if three_d else "fan2d")
    depth = assets.require_asset("fan_depth") if three_d else None
    try:
        from face_alignment.api import FaceAlignment, LandmarksType
        from face_alignment.detection.sfd.net_s3fd import s3fd
        from face_alignment.models import FAN, ResNetDepth
    except ImportError as error:
        raise ReenactError(
            f"face-alignment is not installed: {install_hint('face-alignment')}, or use other --landmarks"
        ) from error

    class LocalFaceAlignment(FaceAlignment):  # type: ignore[misc]  # face-alignment has no types
        def _load_native(
            self, network_name: str, network_size: int, device: str, dtype: torch.dtype
        ) -> torch.nn.Module:
            return _load_weights(FAN(network_size), read_weights(network), network).to(device, dtype)

        def _load_native_depth(self, device: str, dtype: torch.dtype) -> torch.nn.Module:
            assert depth is not None
            # saved from a DataParallel, whose names have a prefix
            state = strip_prefix(read_weights(depth).get("state_dict") or {}, "module.")
            return _load_weights(ResNetDepth(), state, depth).to(device, dtype)

    _load_weights(s3fd(), read_weights(detector), detector)  # the library would say what is wrong in its own many words
    # compile=True, its default, does not finish within minutes on a CPU
    return LocalFaceAlignment(
        LandmarksType.THREE_D if three_d else LandmarksType.TWO_D,
        device=device,
        flip_input=False,
        compile=False,
        face_detector_kwargs={"path_to_detector": str(detector)},
    )


def _load_weights(network: torch.nn.Module, state: Mapping[str, Any], path: Path) -> torch.nn.Module:
    # torch's own strictness, which forgives the counters that networks of its first years do not have
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise ReenactError(
            f"{path} is not the official file, its names or shapes are others: get it again from its official source"
        ) from error
    return network.eval()
