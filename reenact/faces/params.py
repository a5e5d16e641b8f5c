"""Face parameters: the coefficients that pose a morphable model in an image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from torch import Size, Tensor

from reenact.faces.fields import TensorFields


@dataclass
class FaceParams(TensorFields):
    """Coefficients of a morphable model, batched over any leading dimensions `...` (`B`, or `B, T` for clips).

    Rotations are axis-angle vectors in radians, in the face model's space (x to the subject's left, y up, z out of
    the face), applied root to leaf.
    """

    shape: Tensor
    """(..., S) identity coefficients, in standard deviations."""
    expression: Tensor
    """(..., E) expression coefficients, in the face model's unit."""
    global_pose: Tensor
    """(..., 3) rotation of the whole head."""
    neck_pose: Tensor
    """(..., 3) rotation about the neck joint."""
    jaw_pose: Tensor
    """(..., 3) rotation about the jaw joint."""
    eye_pose: Tensor
    """(..., 6) rotation of the left eye, then of the right eye."""
    camera: Tensor
    """(..., 3) orthographic `[scale, x, y]` or (..., 7) perspective camera of this image; see `faces.camera`."""
    texture: Tensor | None = None
    """(..., K) albedo coefficients."""
    light: Tensor | None = None
    """(..., 9, 3) spherical-harmonics coefficients, band by RGB channel."""
    mirrored: Tensor | None = None
    """(...) bool: the image was mirrored after the fit, so the posed mesh is mirrored too (see `FaceModel.posed`)."""

    @property
    def leading(self) -> Size:
        """The leading dimensions `...`."""
        return self.expression.shape[:-1]

    def flattened(self) -> Self:
        """Parameters (N, K) of parameters (..., K); those of one leading dimension stay as they are."""
        dims = len(self.leading)
        return self if dims == 1 else self.map(lambda value: value.reshape(-1, *value.shape[dims:]))

    def restore_leading(self, value: Tensor) -> Tensor:
        """Reshape (N, ...), computed from `flattened`, to these parameters' leading dimensions (..., ...)."""
        return value if len(self.leading) == 1 else value.reshape((*self.leading, *value.shape[1:]))
