"""face-alignment: S3FD detection and the 2DFAN-4 landmark network, where their weights are present."""

from __future__ import annotations

import cv2
import numpy as np
import torch

from reenact import assets
from reenact.errors import ReenactError
from reenact.estimators.base import FaceBox, Image, Points

DETECTION_SIDE = 640
"""Longest side at which S3FD looks; its cost grows with the area."""


class FaceAlignmentEstimator:
    """Detector and landmark detector in one; never downloads.

    Args:
        device: Where the networks run.

    Raises:
        ReenactError: if the package or its weights are missing; the message says where to put them.
    """

    name = "face-alignment"

    def __init__(self, device: str) -> None:
        detector, network = assets.require("s3fd"), assets.require("fan2d")
        try:
            from face_alignment.api import FaceAlignment, LandmarksType
            from face_alignment.models import FAN
        except ImportError as error:
            raise ReenactError("face-alignment is not installed: pip install face-alignment, or use dlib") from error

        class LocalFaceAlignment(FaceAlignment):  # type: ignore[misc]  # face-alignment has no types
            """Loads the network from our asset folder: the library knows its own cache and a download alone."""

            def _load_native(
                self, network_name: str, network_size: int, device: str, dtype: torch.dtype
            ) -> torch.nn.Module:
                net: torch.nn.Module = FAN(network_size)
                net.load_state_dict(torch.load(network, map_location=device, weights_only=True))
                return net.to(device, dtype=dtype).eval()

        # compile=True, its default, does not finish within minutes on a CPU
        self._library = LocalFaceAlignment(
            LandmarksType.TWO_D,
            device=device,
            flip_input=False,
            compile=False,
            face_detector_kwargs={"path_to_detector": str(detector)},
        )

    def detect(self, image: Image) -> list[FaceBox]:
        """All faces, the largest first."""
        scale = min(1.0, DETECTION_SIDE / max(image.shape[:2]))
        small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        found = self._library.face_detector.detect_from_image(small)
        boxes = [FaceBox(*(float(value) for value in face[:5])).mapped(1 / scale, 0, 0) for face in found]
        return sorted(boxes, key=lambda box: box.area, reverse=True)

    def detect_near(self, image: Image, box: FaceBox) -> FaceBox | None:
        """The face near `box`, looked for in a patch of three times its size."""
        (x, y), reach = box.centre, 1.5 * box.size
        left, top = max(0, round(x - reach)), max(0, round(y - reach))
        patch = image[top : round(y + reach), left : round(x + reach)]
        if not patch.size:
            return None
        found = [face.mapped(1, left, top) for face in self.detect(patch)]
        near = [face for face in found if face.overlap(box) > 0.3]
        return max(near, key=lambda face: face.score, default=None)

    def landmarks(self, image: Image, box: FaceBox) -> Points:
        """(68, 2) landmarks of the face in an S3FD box."""
        corners = np.array([box.left, box.top, box.right, box.bottom, box.score])
        points = self._library.get_landmarks_from_image(np.ascontiguousarray(image), detected_faces=[corners])
        return np.asarray(points[0], np.float32)
