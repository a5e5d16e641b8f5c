"""Result of the rasteriser for every pixel."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass
class Fragments:
    """The visible triangle of every pixel of a batch of images."""

    face_index: Tensor
    """(B, H, W) int64 index of the visible face; -1 is background."""
    barycentric: Tensor
    """(B, H, W, 3) weights of the face's three vertices, summing to 1; 0 on background. They are linear in image space,
    or on the surface after `correct_perspective`."""
    depth: Tensor
    """(B, H, W) interpolated z of the vertices, smaller is nearer; +inf on background."""

    @property
    def covered(self) -> Tensor:
        """(B, H, W) bool: pixels that show a face."""
        return self.face_index >= 0
