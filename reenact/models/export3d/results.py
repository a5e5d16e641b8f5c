"""Encoded sources and results of Export3D."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch.nn.functional as F
from torch import Tensor

from reenact.faces.params import FaceParams
from reenact.models.common.base import Reenactment, SourceState
from reenact.models.export3d.memory import PlaneMemory
from reenact.models.export3d.source_lookup import SourceView


@dataclass
class Export3DState(SourceState):
    """Encoded source."""

    motion: FaceParams
    """Face parameters of the source."""
    tokens: Tensor
    """(B, N, D) tokens before any expression."""
    details: Tensor
    """(B, C, S / 2, S / 2) of the branch of details; without one C is 0."""
    view: SourceView | None = None
    """The source picture, where the full picture reads it."""
    memory: PlaneMemory = field(default_factory=PlaneMemory, kw_only=True, repr=False, compare=False)
    """The last tri-plane of the source."""


@dataclass
class Export3DReenactment(Reenactment):
    """A result with what led to it."""

    raw: Tensor
    """(B, 3, r, r) rendered picture in [-1, 1]."""
    depth: Tensor
    """(B, 1, r, r) place of the surface along its ray in sides of the cube: 0 is nearest to the middle of the head, the
    camera's side is negative."""
    opacity: Tensor
    """(B, 1, r, r) share of each ray that meets something."""
    normals: Tensor
    """(B, 3, r, r) outward normals of the surface: x right in the picture, y up, z towards the camera."""
    enlarged: Tensor | None = None
    """(B, 3, S, S) rendered picture after super-resolution, where the result blends it with the source."""

    def pictures(self) -> dict[str, Tensor]:
        """The rendered picture, the depth, near is white, the normals as colours, and the result."""
        size = self.image.shape[-2:]
        depth = (-2 * self.depth).clamp(-1, 1).expand_as(self.raw)
        inside = {"raw": self.raw.clamp(-1, 1), "depth": depth, "normals": self.normals}
        return {**{name: F.interpolate(picture, size) for name, picture in inside.items()}, "result": self.image}
