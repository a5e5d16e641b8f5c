"""MediaPipe's landmark network as a torch module: 478 points of a photograph's face with irises, differentiable.

The weights are `face_landmarks_detector.tflite` in the user's `face_landmarker.task` (asset `mediapipe`, Apache-2.0).
"""

from __future__ import annotations

import functools
import zipfile

import torch
from torch import Tensor, nn

from reenact import assets
from reenact.errors import ReenactError
from reenact.nn.regions import cut_region, points_in_image, turned_region, whole_region
from reenact.nn.tflite import TFLiteNetwork

POINTS = "Identity"
"""The network's output of 478 x, y and z in pixels of the region."""
PRESENCE = "Identity_1"
"""The network's output that says how surely the region has a face, before a sigmoid."""
MEMBER = "face_landmarks_detector.tflite"
"""The network's name in the file."""
SIDE = 256
"""Side in pixels of the region that the network reads."""
MARGIN = 1.5
"""Side of a region, of the longer side of the box around its points (MediaPipe's `RectTransformationCalculator`)."""
EYES = 33, 263
"""Points whose direction is a region's x axis: outer corners of the eyes, the one at the picture's left first."""
START = 0.75
"""Side of the first region, centred, in sides of the image; smaller and larger ones miss the face of more crops."""
PASSES = 3
"""Regions after the first, each around the points read in the one before."""


class FaceMesh(nn.Module):
    """The landmark network, frozen.

    Args:
        content: the bytes of its TensorFlow Lite file.
        name: that file's name, for error messages.

    Raises:
        ReenactError: if the file is damaged or not of this network.
    """

    def __init__(self, content: bytes, name: str) -> None:
        super().__init__()
        self.network = TFLiteNetwork(content, name)
        if not {POINTS, PRESENCE} <= set(self.network.outputs):
            raise ReenactError(f"{name} is not MediaPipe's landmark network: get the official file")

    def forward(self, image: Tensor, region: Tensor) -> Tensor:
        """Points (B, 478, 2) in normalised device coordinates.

        Args:
            image: (B, 3, H, H) in [-1, 1].
            region: (B, 2, 3) where the faces are, of `locate`.
        """
        points, _ = self.read((cut_region(image, region, SIDE) + 1) / 2)
        return points_in_image(points[..., :2] / (SIDE / 2) - 1, region)

    def read(self, crop: Tensor) -> tuple[Tensor, Tensor]:
        """Points (B, 478, 3) in pixels of regions and the probabilities (B) of a face there.

        Args:
            crop: (B, 3, 256, 256) in [0, 1], the regions cut out.
        """
        outputs = self.network(crop)
        return outputs[POINTS].view(len(crop), -1, 3), outputs[PRESENCE].view(-1).sigmoid()

    @torch.no_grad()
    def locate(self, image: Tensor) -> Tensor:
        """Regions (B, 2, 3) of the faces in images (B, 3, H, H) in [-1, 1]; constants, without a gradient.

        MediaPipe finds a face in a first frame by a detector and from then on by the points of the frame before. An
        aligned crop needs no detector: its middle is a face. The following regions are as those of MediaPipe's later
        frames, to which they converge.
        """
        region = whole_region(image) * START
        for _ in range(PASSES):
            region = region_around(self(image, region))
        return region


def region_around(points: Tensor) -> Tensor:
    """The region (B, 2, 3) that MediaPipe reads after points (B, 478, 2) were seen in the frame before."""
    low, high = points.amin(1), points.amax(1)
    half = (high - low).amax(1) * (MARGIN / 2)
    return turned_region((low + high) / 2, half, points[:, EYES[1]] - points[:, EYES[0]])


@functools.cache
def load_face_mesh() -> FaceMesh:
    """The network of the user's file; the same object at every call.

    Raises:
        ReenactError: if the file is missing, damaged or another.
    """
    return FaceMesh(*read_member(MEMBER))


def read_member(member: str) -> tuple[bytes, str]:
    """The bytes of a network in the user's `face_landmarker.task`, and a name of it for error messages.

    Raises:
        ReenactError: if the file is missing or damaged, or does not hold the network.
    """
    path = assets.require_asset("mediapipe")
    try:
        with zipfile.ZipFile(path) as archive:
            content = archive.read(member)
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise ReenactError(
            f"{path} is damaged or no Face Landmarker: get it again with 'reenact weights get mediapipe'"
        ) from error
    return content, f"{path}: {member}"
