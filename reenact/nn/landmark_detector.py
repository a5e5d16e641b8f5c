"""Frozen, differentiable detectors of landmarks, for losses that look at the landmarks of a result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from torch import Tensor, nn

from reenact.nn.face_mesh import load_face_mesh
from reenact.nn.fan import load_fan
from reenact.nn.frozen import Frozen
from reenact.nn.probe import load_probe

LandmarkKind = Literal["mediapipe", "fan", "probe"]
"""MediaPipe's network, 478 points; face-alignment's, 68 points; the shipped probe, which finds 68 points on heads of
the synthetic world."""
DETECTOR_ASSETS: dict[str, tuple[str, ...]] = {"mediapipe": ("mediapipe",), "fan": ("fan2d",)}
"""Names in `reenact.assets` of the files that each detector needs."""


class LandmarkDetector:
    """A frozen, differentiable detector, loaded when it is built.

    Args:
        kind: the network.

    Raises:
        ReenactError: if its file is missing or damaged.
    """

    def __init__(self, kind: LandmarkKind) -> None:
        load: dict[LandmarkKind, Callable[[], nn.Module]] = {
            "mediapipe": load_face_mesh,
            "fan": load_fan,
            "probe": load_probe,
        }
        self._network = Frozen(load[kind])
        self._network.load()

    def locate(self, image: Tensor) -> Tensor | None:
        """Locate the faces of images (B, 3, H, H) in [-1, 1], for `read`; None where the network reads all of it.

        The result is read in the driving image's regions, so that both are seen alike and gradients go through the
        network alone.
        """
        locate: Callable[[Tensor], Tensor] | None = getattr(self._network.follow(image.float()), "locate", None)
        return locate(image) if locate else None

    def read(self, image: Tensor, region: Tensor | None) -> Tensor:
        """Points (B, N, 2) in normalised device coordinates of images (B, 3, H, H) in [-1, 1]; differentiable.

        The probe runs at the caller's precision: bfloat16 moves its points by up to 0.02, by less than 0.004 on
        average.
        """
        image = image.float()
        network = self._network.follow(image)
        points: Tensor = network(image).landmarks if region is None else network(image, region)
        return points
