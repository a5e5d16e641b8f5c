"""Surfaces of heads that a method's network knows, for files of meshes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Surface:
    """A mesh of triangles."""

    vertices: Tensor
    """(V, 3) float: x to the subject's left, y up, z towards the camera of a head in front view."""
    faces: Tensor
    """(F, 3) int64 numbers of vertices, counter-clockwise seen from outside."""
    colours: Tensor | None = None
    """(V, 3) RGB as a picture stores it, 1 is white; None where the method knows none."""


@runtime_checkable
class HasSurface(Protocol):
    """A network that knows the surface of the head that it draws."""

    def build_surface(self, state: Any, motion: Any) -> Surface:  # noqa: ANN401 - the method's own types
        """Return the surface of a source (batch 1) with a motion (batch 1)."""
