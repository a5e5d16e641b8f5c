"""The square around the mouth of a posed face, which a loss looks at."""

from __future__ import annotations

from torch import Tensor

from reenact.faces.model import FaceModel
from reenact.faces.params import FaceParams
from reenact.nn.regions import cut_region, turned_region

LIPS = slice(48, 68)
"""Lips among the 68 landmarks."""
ROOM = 1.3
"""Side of the square over the longer side of the box of the lips."""
REDUCTION = 2
"""Side of an image over that of the picture of the mouth."""


def locate_mouths(face_model: FaceModel, params: FaceParams) -> Tensor:
    """Regions (B, 2, 3), see `reenact.nn.regions`, around the lips of the posed faces of parameters (B)."""
    lips = face_model.landmarks68(face_model.posed(params))[:, LIPS, :2]
    low, high = lips.amin(1), lips.amax(1)
    upright = lips.new_tensor([[1.0, 0.0]]).expand(len(lips), 2)
    return turned_region((low + high) / 2, ROOM / 2 * (high - low).amax(1), upright)


def compare_mouths(image: Tensor, real: Tensor, mouths: Tensor) -> Tensor:
    """Mean absolute difference of two images (B, 3, H, H) in regions (B, 2, 3)."""
    side = max(1, image.shape[-1] // REDUCTION)
    return (cut_region(image, mouths, side) - cut_region(real, mouths, side)).abs().mean()
