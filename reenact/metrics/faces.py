"""Metrics of what networks read in faces: identity, landmarks, expression and pose.

The same two letters mean different things in different papers (`docs/metrics.md`), so a label says what is compared,
by which network, and by which norm: `aed.expression[deep3d].l1`, `apd.rotation[deca].degrees`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from reenact.metrics.frame_metric import FrameMetric
from reenact.metrics.metric_names import Norm, Reference
from reenact.metrics.scene import Frames, Reader

Part = Literal["identity", "expression", "rotation", "pose"]
"""Identity embedding; expression coefficients; three angles; angles and translation as the network gives them."""

FACELESS = "no face is found in the frame or in its reference"
"""Reason why a frame may have no number."""
AKD_SIDE = 256
"""Landmark distances are in pixels of pictures of this side, whatever the pictures' own."""


@dataclass(frozen=True, kw_only=True)
class FaceReading:
    """Output of one network for B faces; rows of NaN where it finds none, None for a part that it lacks."""

    landmarks: Tensor | None = None
    """(B, 68, 2) iBUG-68 points in normalised device coordinates."""
    embedding: Tensor | None = None
    """(B, D) identity, as the network gives it."""
    expression: Tensor | None = None
    """(B, E) expression coefficients."""
    angles: Tensor | None = None
    """(B, 3) the network's rotation parameters in radians: Euler angles, or an axis-angle vector where it has those."""
    euler: Tensor | None = None
    """(B, 3) yaw, pitch and roll in radians (`faces.rotation`)."""
    translation: Tensor | None = None
    """(B, 3) translation in the network's own unit."""


def cosine_similarity(first: Tensor, second: Tensor) -> Tensor:
    """(B,) cosines of embeddings (B, D), of any length."""
    return F.cosine_similarity(first.double(), second.double(), dim=1)


def average_keypoint_distance(first: Tensor, second: Tensor) -> Tensor:
    """(B,) mean absolute difference of landmark coordinates (B, N, 2) in NDC, in pixels of a picture of 256.

    L1 for each coordinate, not the Euclidean distance of points (pose-evaluation, `cmp_kp.py`).
    """
    return (first - second).double().abs().flatten(1).mean(1) * (AKD_SIDE / 2)


def vector_distance(first: Tensor, second: Tensor, norm: Norm) -> Tensor:
    """(B,) distances of vectors (B, D), of d = first - second.

    l1: mean |d|; sum: sum |d|; l2: sqrt(sum d^2); l2sq: sum d^2; rmse: sqrt(mean d^2); degrees: mean |d| 180 / pi.
    Which paper means which is in `docs/metrics.md`.
    """
    difference = (first - second).double()
    return _NORMS[norm](difference)


def angle_distance(first: Tensor, second: Tensor, norm: Norm) -> Tensor:
    """(B,) distances of angles (B, 3) in radians, each difference taken the short way round."""
    difference = (first - second).double()
    turn = 2 * torch.pi
    return _NORMS[norm](torch.remainder(difference + torch.pi, turn) - torch.pi)


_NORMS: dict[Norm, Callable[[Tensor], Tensor]] = {
    "l1": lambda d: d.abs().mean(1),
    "sum": lambda d: d.abs().sum(1),
    "l2": lambda d: torch.linalg.vector_norm(d, dim=1),
    "l2sq": lambda d: d.square().sum(1),
    "rmse": lambda d: d.square().mean(1).sqrt(),
    "degrees": lambda d: torch.rad2deg(d.abs().mean(1)),
}


class CSIM(FrameMetric):
    """`csim[reader]`: cosine a.b / |a| |b| of the identity embeddings of the generated frame and of its reference.

    Args:
        reader: The recognition network.
        reference: `source` in every paper for cross-reenactment; for self-reenactment MMFA takes the target.
    """

    higher_is_better = True
    absent = FACELESS

    def __init__(self, reader: Reader[FaceReading], reference: Reference = "source") -> None:
        super().__init__(f"csim[{reader.name}]", reference)
        self._reader = reader

    def values(self, generated: Frames, reference: Frames) -> Tensor:
        """(B,) cosines."""
        return cosine_similarity(*(require_present(f.read(self._reader).embedding) for f in (generated, reference)))


class AKD(FrameMetric):
    """`akd[reader]`: average keypoint distance, see `average_keypoint_distance`.

    Args:
        reader: The landmark network.
        reference: `driving`; the same as the target in self-reenactment.
    """

    higher_is_better = False
    absent = FACELESS

    def __init__(self, reader: Reader[FaceReading], reference: Reference = "driving") -> None:
        super().__init__(f"akd[{reader.name}]", reference)
        self._reader = reader

    def values(self, generated: Frames, reference: Frames) -> Tensor:
        """(B,) distances."""
        return average_keypoint_distance(
            *(require_present(f.read(self._reader).landmarks) for f in (generated, reference))
        )


class FaceDistance(FrameMetric):
    """`aed.PART[reader].NORM`, `apd.PART[reader].NORM`: distance of what a network reads in two faces.

    `vector_distance` of expression coefficients (PIRenderer's AED), of identity embeddings of unit length (FOMM's:
    pose-evaluation, `cmp.py`), or of three angles and translation; `angle_distance` of the angles alone.

    Args:
        family: `aed` (average expression, or in MMFA identity-embedding, distance), `apd` (average pose distance),
            `e_rmse` or `p_rmse` (MagicPortrait's names of the same with the norm rmse).
        part: What is compared.
        reader: The network.
        norm: How.
        reference: The driving frame, or the source for identities.
    """

    higher_is_better = False
    absent = FACELESS

    def __init__(
        self, family: str, part: Part, reader: Reader[FaceReading], norm: Norm, reference: Reference = "driving"
    ) -> None:
        suffix = "" if family.endswith("rmse") else f".{norm}"
        super().__init__(f"{family}.{part}[{reader.name}]{suffix}", reference)
        self.part: Part = part
        self.norm: Norm = norm
        self._reader = reader

    def values(self, generated: Frames, reference: Frames) -> Tensor:
        """(B,) distances."""
        first = self._vector(generated.read(self._reader))
        second = self._vector(reference.read(self._reader))
        distance = angle_distance if self.part == "rotation" else vector_distance
        return distance(first, second, self.norm)

    def _vector(self, reading: FaceReading) -> Tensor:
        """(B, D) what is compared."""
        if self.part == "identity":
            return F.normalize(require_present(reading.embedding), dim=1)
        if self.part == "expression":
            return require_present(reading.expression)
        if self.part == "rotation":
            return require_present(reading.euler if self.norm == "degrees" else reading.angles)
        return torch.cat([require_present(reading.angles), require_present(reading.translation)], 1)


def require_present(value: Tensor | None) -> Tensor:
    """A part of a reading that its reader gives."""
    if value is None:
        raise ValueError("the reader does not read this part of a face")  # the catalogue offers no such metric
    return value
