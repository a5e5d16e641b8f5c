"""Face parameters: the coefficients that pose a morphable model in an image."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

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
