"""Face-vid2vid as a `Reenactor`: canonical keypoints of the source, moved by the driving head's pose and expression."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, fields
from typing import ClassVar, Self

import torch
import torch.nn.functional as F
from torch import Tensor

from reenact.errors import ReenactError
from reenact.faces.contents import Contents
from reenact.faces.portrait import Portrait
from reenact.models.common.base import Reenactment, SourceState, Transfer
from reenact.models.common.head_driven import HeadDriven
from reenact.models.face_vid2vid.estimator import Estimate, Estimator, HeadMotion
from reenact.models.face_vid2vid.generator import DecoderKind, Generator
from reenact.models.face_vid2vid.retarget import PARTS, retarget
from reenact.nn.euler import Composition
from reenact.nn.fold import fold_blocks
from reenact.nn.keypoints import draw_masks, draw_points
from reenact.nn.resample import sample_image
from reenact.nn.volume import CanonicalDetector, VolumeDenseMotion
from reenact.nn.whole_batch import BatchDraws


@dataclass(frozen=True)
class VolumeConfig:
    """Sizes that Face-vid2vid and MMFA share; defaults are `config/vox-256.yaml` of the reimplementation."""

    keypoints: int = 15
    """Number K of keypoints; the paper has 20."""
    reduction: int = 4
    """Canonical keypoints are found on the image made so many times smaller."""
    detector_width: int = 32
    """Base width of the detector of canonical keypoints."""
    detector_largest: int = 1024
    """Largest width of the detector."""
    detector_blocks: int = 5
    """Number of halvings in the detector."""
    motion_width: int = 32
    """Base width of the dense motion's hourglass."""
    motion_largest: int = 1024
    """Largest width of the dense motion's hourglass."""
    motion_blocks: int = 5
    """Number of halvings in the dense motion's hourglass."""
    compress: int = 4
    """Channels of the volume that every keypoint's motion moves."""
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
        stride: int = max(self.reduction * 2**self.detector_blocks, 2 ** (self.halvings + self.motion_blocks))
        return stride

    def detector(self) -> CanonicalDetector:
        """The detector of canonical keypoints."""
        sizes = self.detector_width, self.detector_largest, self.detector_blocks
        return CanonicalDetector(self.keypoints, *sizes, self.depth, self.reduction)

    def dense_motion(self) -> VolumeDenseMotion:
        """The dense motion."""
        sizes = self.motion_width, self.motion_largest, self.motion_blocks
        return VolumeDenseMotion(self.keypoints, *sizes, self.channels, self.depth, self.compress)

    def check(self, image: Tensor, name: str) -> None:
        """Refuse images of other sizes than multiples of the stride; raises `ReenactError`."""
        height, width = image.shape[-2:]
        if height % self.stride or width % self.stride:
            raise ReenactError(
                f"{name} with these settings needs images whose sides are multiples of {self.stride}, not"
                f" {width}x{height}"
            )


@dataclass(frozen=True)
class FaceVid2VidConfig(VolumeConfig):
    """Size of the network; defaults are `config/vox-256.yaml` of the reimplementation."""

    decoder: DecoderKind = "original"
    """The paper's, or the one of the released weights."""
    spade_hidden: int = 128
    """Channels inside a layer of the `spade` decoder."""
    stem: int = 64
    """Channels of the estimator's first convolution."""
    estimator_widths: list[int] = field(default_factory=lambda: [256, 512, 1024, 2048])
    """Channels of the estimator at strides 4, 8, 16 and 32."""
    composition: Composition = "pitch-yaw-roll"
    """Order of the rotations about x, y and z; `roll-pitch-yaw` in weights of the first release (Vox-256-Beta)."""


@dataclass
class VolumeState(SourceState):
    """A source, encoded, of Face-vid2vid and MMFA."""

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
class FaceVid2VidState(VolumeState):
    """Encoded source."""

    motion: HeadMotion
    """Pose and expression of the source."""


@dataclass
class VolumeReenactment(Reenactment):
    """A result with what led to it, of Face-vid2vid and MMFA; coordinates as in `reenact.nn.keypoints`."""

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


@dataclass
class FaceVid2VidReenactment(VolumeReenactment):
    """A result with what the estimator said of the driving portrait, for the losses of training."""

    estimate: Estimate

    @classmethod
    def of(cls, result: VolumeReenactment, estimate: Estimate) -> Self:
        """A result and the estimate that it was driven by."""
        values = {field.name: getattr(result, field.name) for field in fields(result)}
        return cls(**values, estimate=estimate)


class FaceVid2Vid(HeadDriven[FaceVid2VidState, HeadMotion]):
    """One-shot free-view neural talking-head synthesis (Wang et al., CVPR 2021).

    Args:
        config: widths and depths.
    """

    needs = Contents()
    parts: ClassVar = PARTS

    def __init__(self, config: FaceVid2VidConfig) -> None:
        super().__init__()
        self.config = config
        self.composition = config.composition
        self.detector = config.detector()
        self.estimator = Estimator(config.keypoints, config.stem, config.estimator_widths, config.composition)
        self.generator = Generator(
            config.width,
            config.largest,
            config.halvings,
            config.channels,
            config.depth,
            config.blocks,
            config.decoder,
            config.spade_hidden,
            config.dense_motion(),
        )

    def encode(self, source: Portrait) -> FaceVid2VidState:
        """Canonical keypoints, pose, expression and appearance of the source.

        Raises:
            ReenactError: if its sides are not multiples of the stride.
        """
        motion = self.read(source)
        image = (source.image + 1) / 2
        canonical = self.detector(image)
        volume = self.generator(image)
        compressed = self.generator.dense_motion_network.compressed(volume)
        return FaceVid2VidState(motion, source.image, canonical, motion.keypoints(canonical), volume, compressed)

    def read(self, driving: Portrait) -> HeadMotion:
        """Pose and expression in the image.

        Raises:
            ReenactError: as `encode`.
        """
        return self.estimate(driving).motion

    def estimate(self, portrait: Portrait) -> Estimate:
        """The estimator's pose, expression and angles of a portrait.

        Raises:
            ReenactError: as `encode`.
        """
        self.config.check(portrait.image, "Face-vid2vid")
        estimate: Estimate = self.estimator((portrait.image + 1) / 2)
        return estimate

    def build_canonical_motion(self, state: FaceVid2VidState) -> HeadMotion:
        """Return R = I, t = 0 and no deformation: the keypoints are p_c itself."""
        motion = state.motion
        rotation = torch.eye(3, device=motion.rotation.device, dtype=motion.rotation.dtype).expand_as(motion.rotation)
        nothing = torch.zeros_like
        return HeadMotion(rotation, nothing(motion.translation), nothing(motion.deformation), motion.composition)

    def forward(self, source: Portrait, driving: Portrait, random: BatchDraws | None = None) -> FaceVid2VidReenactment:
        """Encode and drive in one call, which estimates the driving portrait once for result and losses."""
        state, estimate = self.encode(source), self.estimate(driving)
        return FaceVid2VidReenactment.of(self.perform(state, estimate.motion, random), estimate)

    def retarget(
        self, state: FaceVid2VidState, driving: HeadMotion, transfer: Transfer, reference: HeadMotion | None = None
    ) -> HeadMotion:
        """Retarget the driving head's motion, `reenact.models.face_vid2vid.retarget.retarget`."""
        self.check_transfer(transfer)
        return retarget(state.motion, state.canonical, driving, transfer, reference)

    def perform(
        self, state: FaceVid2VidState, motion: HeadMotion, random: BatchDraws | None = None
    ) -> VolumeReenactment:
        """The source with its keypoints moved."""
        keypoints = motion.keypoints(state.canonical)
        dense = self.generator.dense_motion_network(state.compressed, state.keypoints, keypoints)
        image = 2 * self.generator.decode(state.volume, dense) - 1
        return VolumeReenactment(image, state.image, state.canonical, state.keypoints, keypoints, *dense)

    def folded(self) -> Self:
        """A copy for inference, with norms inside convolutions."""
        return fold_blocks(copy.deepcopy(self).eval())
