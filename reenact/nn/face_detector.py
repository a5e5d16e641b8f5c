"""MediaPipe's short-range face detector (BlazeFace) as a torch module.

The weights are `face_detector.tflite` in the user's `face_landmarker.task` (asset `mediapipe`, Apache-2.0). Anchors,
decoding and suppression follow MediaPipe's published graph of the task.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reenact.errors import ReenactError
from reenact.nn.tflite import TFLiteNetwork

MEMBER = "face_detector.tflite"
"""The network's name in the file."""
SIDE = 128
"""Side in pixels of the pictures that the network reads."""
GRIDS = ((16, 2), (8, 6))
"""Cells along a side of each grid of anchors, and anchors in the middle of each cell. All have the picture's size."""
VALUES = 16
"""Numbers of a detection: centre, width and height of its box, then x and y of six points, in pixels from an anchor."""
OVERLAP = 0.5
"""Intersection over union above which two detections are of one face."""
BOXES, SCORES = "regressors", "classificators"
"""Names of the network's outputs."""


class FaceDetector(nn.Module):
    """Face detector of MediaPipe, frozen.

    Args:
        content: the bytes of its TensorFlow Lite file.
        name: that file's name, for error messages.

    Raises:
        ReenactError: if the file is damaged or not of this network.
    """

    anchors: Tensor

    def __init__(self, content: bytes, name: str) -> None:
        super().__init__()
        self.network = TFLiteNetwork(content, name)
        if not {BOXES, SCORES} <= set(self.network.outputs):
            raise ReenactError(f"{name} is not MediaPipe's face detector: get the official file")
        self.register_buffer("anchors", anchor_centres(), persistent=False)

    @torch.no_grad()
    def forward(self, image: Tensor, confidence: float) -> list[Tensor]:
        """The detections (N, 16) of each picture, the surest first, in sides of the picture.

        Args:
            image: (B, 3, 128, 128) in [-1, 1].
            confidence: the least probability of a face.

        Returns:
            For each picture its detections: x and y of the box's centre, its width and height, then x and y of the
            eyes (the one at the picture's left first), nose, mouth and ears.
        """
        outputs = self.network(image)
        values = outputs[BOXES] / SIDE
        centres = self.anchors.repeat(1, VALUES // 2)
        centres[:, 2:4] = 0
        sure = outputs[SCORES][..., 0].clamp(-100, 100).sigmoid()
        return [
            join_detections((value + centres)[score >= confidence], score[score >= confidence])
            for value, score in zip(values, sure, strict=True)
        ]


def anchor_centres() -> Tensor:
    """The centres (896, 2) of the anchors in sides of the picture, in the order of the network's outputs."""
    parts = []
    for cells, count in GRIDS:
        middle = (torch.arange(cells) + 0.5) / cells
        y, x = torch.meshgrid(middle, middle, indexing="ij")
        parts.append(torch.stack((x, y), dim=-1).reshape(-1, 2).repeat_interleave(count, dim=0))
    return torch.cat(parts)


def join_detections(values: Tensor, scores: Tensor) -> Tensor:
    """Join the detections of each face into their mean weighted by score (non-maximum suppression as BlazeFace has it).

    Args:
        values: (N, 16) detections.
        scores: (N) their probabilities.

    Returns:
        (M, 16), the surest first.
    """
    inside = (values[:, 2:4] >= 0).all(1)
    order = scores[inside].argsort(descending=True, stable=True)
    values, scores = values[inside][order], scores[inside][order]
    faces = []
    while len(values):
        same = compute_overlaps(values[0], values) > OVERLAP
        # A box without an area overlaps nothing, not even itself.
        same[0] = True
        weights = scores[same, None]
        faces.append((values[same] * weights).sum(0) / weights.sum())
        values, scores = values[~same], scores[~same]
    return torch.stack(faces) if faces else values


def compute_overlaps(value: Tensor, others: Tensor) -> Tensor:
    """Intersection over union (N) of the box of a detection (16) and those of others (N, 16)."""
    low = torch.maximum(value[:2] - value[2:4] / 2, others[:, :2] - others[:, 2:4] / 2)
    high = torch.minimum(value[:2] + value[2:4] / 2, others[:, :2] + others[:, 2:4] / 2)
    common = (high - low).clamp(min=0).prod(1)
    union = value[2:4].prod() + others[:, 2:4].prod(1) - common
    return common / union.clamp(min=1e-12)
