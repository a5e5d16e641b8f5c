"""Portraits and pairs of them: what a datamodule yields and every method reads."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reenact.faces.contents import Contents
from reenact.faces.fields import TensorFields
from reenact.faces.params import FaceParams


@dataclass
class Portrait(TensorFields):
    """Images together with what is known about them.

    Leading dimensions are (B,) for pictures and (B, T) for clips, or none for one sample before collation.
    """

    image: Tensor
    """(..., 3, H, W) float32 RGB in [-1, 1]; uint8 on the way from a loader to the device, see `normalised`."""
    params: FaceParams | None = None
    """Face parameters of the face model that the datamodule names."""
    landmarks: Tensor | None = None
    """(..., 68, 2) iBUG-68 points in continuous pixels of `image`: x right, y down, pixel i covers [i, i + 1)."""
    window: FaceParams | None = None
    """(..., 2w + 1) face parameters of the frames around this one, which is in the middle; at the ends of the clip its
    first or last frame repeats."""
    mask: Tensor | None = None
    """(..., 1, H, W) float32 share of each pixel that shows the person; uint8 (255 is 1) on the way from a loader."""
    frame: Tensor | None = None
    """(...) int64 frame number within the clip."""
    identity: list[str] = field(default_factory=list)
    """Names of B identities."""
    clip: list[str] = field(default_factory=list)
    """Names of B clips."""

    def describe(self) -> Contents:
        """Describe the parts that are there."""
        params = self.params
        return Contents(
            params=params is not None,
            landmarks=self.landmarks is not None,
            texture=params is not None and params.texture is not None,
            light=params is not None and params.light is not None,
            mask=self.mask is not None,
        )

    def normalised(self) -> Portrait:
        """Convert an image of bytes to float32 in [-1, 1] and a mask of bytes to [0, 1], on their device."""
        image, mask = self.image, self.mask
        image = unit_range(image) if image.dtype == torch.uint8 else image
        mask = mask.float().div_(255) if mask is not None and mask.dtype == torch.uint8 else mask
        return replace(self, image=image, mask=mask)


@dataclass
class PortraitPair(TensorFields):
    """The batch: appearance from `source`, motion from `driving`."""

    source: Portrait
    driving: Portrait
    around: Portrait | None = None
    """(B, T) frames of the clip around each driving picture, in order and with it among them: what a method of clips
    plays where a single frame is scored."""

    @property
    def same_identity(self) -> bool:
        """True if every driving image shows its source's identity, so that it is also the target image."""
        return self.source.identity == self.driving.identity

    def normalised(self) -> PortraitPair:
        """Convert images of bytes to float32 in [-1, 1]: loaders yield bytes, methods read floats."""
        around = self.around and self.around.normalised()
        return PortraitPair(self.source.normalised(), self.driving.normalised(), around)


def unit_range(image: Tensor) -> Tensor:
    """Bytes as float32 in [-1, 1]."""
    return image.float().mul_(2 / 255).sub_(1)


def to_bytes(image: Tensor) -> Tensor:
    """Images in [-1, 1] as bytes, clamped and rounded."""
    return image.detach().float().clamp(-1, 1).add(1).mul(127.5).round().to(torch.uint8)


def to_tensor(images: NDArray[np.uint8]) -> Tensor:
    """Pictures (..., H, W, 3) of bytes as tensors (..., 3, H, W) float32 in [-1, 1]."""
    return unit_range(torch.from_numpy(np.ascontiguousarray(np.moveaxis(images, -1, -3))))


def to_image(tensor: Tensor) -> NDArray[np.uint8]:
    """Tensors (..., 3, H, W) in [-1, 1] as pictures (..., H, W, 3) of bytes, clamped and rounded."""
    return np.moveaxis(to_bytes(tensor).cpu().numpy(), -3, -1)
