"""Sizes, state and result of the methods that warp a feature volume by 3D keypoints."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from reenact.errors import ReenactError
from reenact.models.common.base import Reenactment, SourceState
from reenact.nn.keypoints import draw_masks, draw_points
from reenact.nn.resample import sample_image
from reenact.nn.volume import CanonicalDetector, VolumeDenseMotion


@dataclass(frozen=True, kw_only=True)
class AppearanceConfig:
    """Sizes of the feature volume and of the motion through it; defaults are those of all released weights."""

    keypoints: int = 15
    """Number K of keypoints; Face-vid2vid's paper has 20."""
    motion_width: int = 32
    """Base width of the dense motion's hourglass."""
    motion_largest: int = 1024
    """Largest width of the dense motion's hourglass."""
    motion_blocks: int = 5
    """Number of halvings in the dense motion's hourglass."""
    compress: int = 4
    """Channels of the volume that every keypoint's motion moves."""
    mask_kernel: int = 7
    """Side of the kernel of the convolution that weighs the keypoints' motions, odd."""
    width: int = 64
    """Channels of the appearance at full size; each of its halvings doubles them."""
    largest: int = 512
    """Largest width of the appearance."""
    halvings: int = 2
    """Number of halvings of the appearance."""
    channels: int = 32
    """Channels of the feature volume."""
    depth: int = 16
    """Depth of volumes."""
    blocks: int = 6
    """Residual blocks on the volume."""

    @property
    def stride(self) -> int:
        """Images must have sides that are multiples of this."""
        stride: int = 2 ** (self.halvings + self.motion_blocks)
        return stride

    def dense_motion(self) -> VolumeDenseMotion:
        """The dense motion."""
        sizes = self.motion_width, self.motion_largest, self.motion_blocks
        return VolumeDenseMotion(
            self.keypoints, *sizes, self.channels, self.depth, self.compress, mask_kernel=self.mask_kernel
        )

    def check(self, image: Tensor, name: str) -> None:
        """Refuse images of other sizes than multiples of the stride; raises `ReenactError`."""
        height, width = image.shape[-2:]
        if height % self.stride or width % self.stride:
            raise ReenactError(
                f"{name} with these settings needs images whose sides are multiples of {self.stride}, not"
                f" {width}x{height}"
            )


@dataclass(frozen=True, kw_only=True)
class VolumeConfig(AppearanceConfig):
    """Sizes that Face-vid2vid and MMFA share; defaults are `config/vox-256.yaml` of the reimplementation."""

    reduction: int = 4
    """Canonical keypoints are found on the image made so many times smaller."""
    detector_width: int = 32
    """Base width of the detector of canonical keypoints."""
    detector_largest: int = 1024
    """Largest width of the detector."""
    detector_blocks: int = 5
    """Number of halvings in the detector."""

    @property
    def stride(self) -> int:
        """Images must have sides that are multiples of this."""
        stride: int = max(self.reduction * 2**self.detector_blocks, super().stride)
        return stride

    def detector(self) -> CanonicalDetector:
        """The detector of canonical keypoints."""
        sizes = self.detector_width, self.detector_largest, self.detector_blocks
        return CanonicalDetector(self.keypoints, *sizes, self.depth, self.reduction)


@dataclass
class VolumeState(SourceState):
    """A source, encoded, of the methods that warp a feature volume."""

    image: Tensor
    """(B, 3, H, W) in [-1, 1]."""
    canonical: Tensor
    """(B, K, 3) canonical keypoints."""
    keypoints: Tensor
    """(B, K, 3) keypoints of the picture itself."""
    volume: Tensor
    """(B, C, D, h, w) appearance."""
    compressed: Tensor
    """(B, c, D, h, w) the part of it that shows the dense motion what moves."""


@dataclass
class VolumeReenactment(Reenactment):
    """A result with what led to it; coordinates as in `reenact.nn.keypoints`."""

    source: Tensor
    """(B, 3, H, W) source in [-1, 1], of batch B or 1."""
    canonical: Tensor
    """(B, K, 3) canonical keypoints of the source."""
    source_keypoints: Tensor
    """(B, K, 3) keypoints of the source."""
    keypoints: Tensor
    """(B, K, 3) the same in their new places."""
    position: Tensor
    """(B, D, h, w, 3) where each voxel of the result lies in the source."""
    mask: Tensor
    """(B, K + 1, D, h, w) weights of the keypoints' motions."""
    occlusion: Tensor
    """(B, 1, h, w) in [0, 1]; 1 where the source shows it."""

    def pictures(self) -> dict[str, Tensor]:
        """Canonical keypoints, the source's, the source warped, whose motion goes where, occlusion, and the result."""
        shape = self.image.shape
        source = self.source.expand(shape)

        return {
            "canonical": draw_points(source.new_full(shape, -0.6), self.canonical.expand(shape[0], -1, -1)),
            "source keypoints": draw_points(source, self.source_keypoints.expand(shape[0], -1, -1)),
            "warped": F.interpolate(self._warped(), shape[-2:]),
            "masks": F.interpolate(draw_masks(self.mask.mean(2)), shape[-2:]),
            "occlusion": (2 * F.interpolate(self.occlusion, shape[-2:]) - 1).expand(shape),
            "result": self.image,
        }

    def pictures_of(self, driving: Tensor) -> dict[str, Tensor]:
        """The keypoints that the source was moved to."""
        return {"driving keypoints": draw_points(driving, self.keypoints)}

    def _warped(self) -> Tensor:
        """(B, 3, h, w) the source moved like its features, the mean over all depths."""
        depth, height, width = self.position.shape[1:4]
        small = F.interpolate(self.source, (height, width), mode="area")
        slices = sample_image(small, self.position[..., :2].flatten(1, 2))
        return slices.view(*slices.shape[:2], depth, height, width).mean(2)
