"""Detectors of landmarks for eq. (9), and which of their points are face, mouth and pupils.

The paper counts 145 landmarks, 120 of the face, 20 of the mouth and 5 of the pupils, and names neither them nor the
detector. MediaPipe's network here gives 145 of its 478 points: 115, 20 and 10, five to a pupil.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from reenact.nn.face_mesh import load_face_mesh
from reenact.nn.fan import load_fan
from reenact.nn.probe import load_probe

LandmarkKind = Literal["mediapipe", "fan", "probe", "none"]
"""MediaPipe's network, 145 of its 478 points; face-alignment's, 68 points; the shipped probe, which finds 68 points on
heads of the synthetic world; or no such term."""

_CONTOUR = (10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152,
            148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109)  # fmt: skip
_EYES = (33, 7, 163, 144, 145, 153, 154, 155, 133, 246, 161, 160, 159, 158, 157, 173,
         263, 249, 390, 373, 374, 380, 381, 382, 362, 466, 388, 387, 386, 385, 384, 398)  # fmt: skip
_BROWS = (46, 53, 52, 65, 55, 70, 63, 105, 66, 107, 276, 283, 282, 295, 285, 300, 293, 334, 296, 336)
_NOSE = (168, 6, 197, 195, 5, 4, 2)
_MOUTH = (61, 39, 37, 0, 267, 269, 291, 321, 314, 17, 84, 91, 78, 82, 13, 312, 308, 317, 14, 87)
_OTHER_LIPS = (40, 185, 270, 409, 146, 181, 405, 375, 80, 81, 191, 310, 311, 415, 88, 95, 178, 318, 324, 402)


@dataclass(frozen=True)
class LandmarkGroups:
    """Points of a detector that eq. (9) weighs alike."""

    face: tuple[int, ...]
    """Eyes, brows, contour and nose, and lips beside those of `mouth`."""
    mouth: tuple[int, ...]
    pupils: tuple[int, ...] = ()
    """Empty where the detector sees none."""


MESH = LandmarkGroups((*_CONTOUR, *_EYES, *_BROWS, *_OTHER_LIPS, *_NOSE), _MOUTH, tuple(range(468, 478)))
"""Groups of MediaPipe's 478 points: the edges that it names oval, eyes, brows and lips, the line of the nose, the
irises."""
IBUG68 = LandmarkGroups(tuple(range(48)), tuple(range(48, 68)))
GROUPS: dict[LandmarkKind, LandmarkGroups] = {"mediapipe": MESH, "fan": IBUG68, "probe": IBUG68}
ASSETS: dict[LandmarkKind, tuple[str, ...]] = {"mediapipe": ("mediapipe",), "fan": ("fan2d",)}
"""Names in `reenact.assets` of the files that each detector needs."""


class LandmarkDetector:
    """A frozen, differentiable detector; not a module, as `PerceptualLoss`.

    Args:
        kind: which; not `none`.

    Raises:
        ReenactError: if its file is missing or damaged.
    """

    def __init__(self, kind: LandmarkKind) -> None:
        self.groups = GROUPS[kind]
        load: dict[LandmarkKind, Callable[[], nn.Module]] = {
            "mediapipe": load_face_mesh,
            "fan": load_fan,
            "probe": load_probe,
        }
        self._network = load[kind]()

    def locate(self, image: Tensor) -> Tensor | None:
        """Locate the faces of images (B, 3, H, H) in [-1, 1], for `read`; None where the network reads all of it.

        The result is read in the driving image's regions, so that both are seen alike and gradients go through the
        network alone.
        """
        locate: Callable[[Tensor], Tensor] | None = getattr(self._network.to(image.device), "locate", None)
        return locate(image) if locate else None

    def read(self, image: Tensor, region: Tensor | None) -> Tensor:
        """Points (B, N, 2) in normalised device coordinates of images (B, 3, H, H) in [-1, 1]; differentiable.

        The probe runs at the caller's precision: bfloat16 moves its points by up to 0.02, by less than 0.004 on
        average.
        """
        points: Tensor
        if region is None:
            points = self._network.to(image.device)(image.float()).landmarks
        else:
            points = self._network.to(image.device)(image.float(), region)
        return points


def landmark_distance(
    fake: Tensor, real: Tensor, groups: LandmarkGroups, weights: tuple[float, float, float]
) -> Tensor:
    """Weighted sum of the groups' mean distances of landmarks (B, N, 2), in [-1, 1] units (eq. 9).

    Args:
        fake: landmarks of the result.
        real: landmarks of the driving image.
        groups: which points are face, mouth and pupils; a group without points counts for nothing.
        weights: of face, mouth and pupils.
    """
    distance = torch.linalg.vector_norm(fake - real, dim=-1)
    parts = groups.face, groups.mouth, groups.pupils
    terms = [weight * distance[:, list(part)].mean() for part, weight in zip(parts, weights, strict=True) if part]
    return torch.stack(terms).sum()
