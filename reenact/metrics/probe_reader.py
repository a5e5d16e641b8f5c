"""The probe as a reader: landmarks, parameters, identity and layers in one pass over the pictures."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from reenact.faces.rotation import matrix_to_euler
from reenact.faces.vector import ParameterVector
from reenact.metrics.faces import FaceReading
from reenact.metrics.networks import PROBE
from reenact.metrics.scene import Part, Reader
from reenact.nn.probe import load_probe, resize_to_side

LAYOUT = ParameterVector(num_shape=62, num_expression=39)
"""Coefficients of the built-in head, which the shipped network reads."""
FEATURE_SIZE: Final = 352
"""Length of the features of a picture."""
CLIP_FEATURE_SIZE: Final = 2 * FEATURE_SIZE
"""Length of the features of a clip."""


@dataclass(frozen=True)
class ProbeView:
    """Everything that one pass gives."""

    face: FaceReading
    layers: list[Tensor]
    """(B, C, H, W) at strides 2, 4, 8, 16 and 32 of a picture of 128 pixels."""
    pooled: Tensor
    """(B, 352) for the FID-like distance."""


class _ProbeReader:
    name = PROBE

    def __call__(self, image: Tensor) -> ProbeView:
        probe = load_probe().to(image.device)
        layers = probe.features(resize_to_side(image))
        reading = probe.read(layers)
        euler = matrix_to_euler(reading.rotation)
        face = FaceReading(
            landmarks=reading.landmarks,
            embedding=reading.embedding,
            expression=reading.coefficients[:, LAYOUT.expression],
            angles=euler,
            euler=euler,
        )
        return ProbeView(face, layers, probe.pooled(layers))


@functools.cache
def probe_reader() -> Reader[ProbeView]:
    """The reader that all pieces share."""
    return _ProbeReader()


@functools.cache
def face_reader() -> Reader[FaceReading]:
    """Landmarks, expression, pose, identity; the probe finds a face in every picture."""
    return Part(PROBE, probe_reader(), lambda view: view.face)


@functools.cache
def layer_reader() -> Reader[list[Tensor]]:
    """The layers of the LPIPS-like distance."""
    return Part(PROBE, probe_reader(), lambda view: view.layers)


@functools.cache
def feature_reader() -> Reader[Tensor]:
    """The features of the FID-like distance."""
    return Part(PROBE, probe_reader(), lambda view: view.pooled)


class ProbeClips:
    """Reader of clips: the mean of their frames' features, and the mean absolute change from frame to frame."""

    name = PROBE

    def __call__(self, clips: Tensor) -> Tensor:
        """Read clips (B, T, 3, H, W) in [-1, 1] to (B, 704)."""
        features = feature_reader()(clips.flatten(0, 1)).view(*clips.shape[:2], FEATURE_SIZE)
        return torch.cat([features.mean(1), features.diff(dim=1).abs().mean(1)], 1)


@functools.cache
def clip_reader() -> ProbeClips:
    """Return the reader of the FVD-like distance."""
    return ProbeClips()
