"""FOMM as a `Reenactor`: keypoints of both portraits, dense motion between them, and the generator."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import Tensor, nn

from reenact.errors import ReenactError
from reenact.faces.contents import Contents
from reenact.faces.portrait import Portrait
from reenact.models.common.base import Mode, Reenactment, Reenactor, SourceState, Transfer
from reenact.models.common.retarget import align_leading, first_frames, keep_unmoved
from reenact.models.fomm.generator import (
    Appearance,
    DenseMotion,
    DenseMotionNetwork,
    Generator,
    KeypointDetector,
    Keypoints,
    resize_flow,
)
from reenact.nn.fold import fold_blocks
from reenact.nn.hourglass import list_widths
from reenact.nn.keypoints import draw_masks, draw_points, hull_ratio
from reenact.nn.resample import sample_image
from reenact.nn.whole_batch import BatchDraws

LARGEST_PADDING = 64
"""Rows of zeros on each side of the detector's features."""


@dataclass(frozen=True, kw_only=True)
class FOMMConfig:
    """Size of the network; defaults are `config/vox-256.yaml` of the released code."""

    keypoints: int = 10
    """Number K of keypoints."""
    reduction: int = 4
    """Keypoints are found on the image made so many times smaller."""
    motion_reduction: int | None = None
    """Dense motion is found on the image made so many times smaller; None: as keypoints."""
    detector_width: int = 32
    """Base width of the keypoint detector's hourglass."""
    detector_largest: int = 1024
    """Largest width of the detector."""
    detector_blocks: int = 5
    """Number of halvings in the detector."""
    detector_padding: int = 0
    """Rows and columns of zeros around its features before the heads of keypoints and Jacobians."""
    motion_width: int = 64
    """Base width of the dense motion's hourglass."""
    motion_largest: int = 1024
    """Largest width of the dense motion's hourglass."""
    motion_blocks: int = 5
    """Number of halvings in the dense motion's hourglass."""
    width: int = 64
    """Channels of the generator at full size; each of its halvings doubles them."""
    largest: int = 512
    """Largest width of the generator."""
    halvings: int = 2
    """Number of halvings in the generator."""
    bottleneck: int = 6
    """Residual blocks of the generator."""

    def __post_init__(self) -> None:
        if not 0 <= self.detector_padding <= LARGEST_PADDING:
            raise ReenactError(
                f"--model.network.detector_padding {self.detector_padding} is not between 0 and {LARGEST_PADDING}"
            )

    @property
    def stride(self) -> int:
        """Images must have sides that are multiples of this."""
        detector: int = self.reduction * 2**self.detector_blocks
        motion: int = self.reduction_of_motion * 2**self.motion_blocks
        stride: int = math.lcm(detector, motion, 2**self.halvings)
        return stride

    @property
    def reduction_of_motion(self) -> int:
        """The factor by which the dense motion's image is smaller."""
        return self.reduction if self.motion_reduction is None else self.motion_reduction


@dataclass
class FOMMState(SourceState):
    """Encoded source."""

    motion: Keypoints
    """Keypoints of the source."""
    appearance: Appearance
    keypoints: Keypoints
    """Keypoints of the picture itself, from which motion is warped; `motion` may be replaced by an edit."""


@dataclass
class FOMMReenactment(Reenactment):
    """A result with what led to it; coordinates as in `reenact.nn.keypoints`."""

    source: Tensor
    """(B, 3, H, W) source in [0, 1], of batch B or 1."""
    source_keypoints: Keypoints
    keypoints: Keypoints
    """The source's keypoints in their new places."""
    motion: DenseMotion

    def pictures(self) -> dict[str, Tensor]:
        """Keypoints of the source, the source warped, whose motion goes where, occlusion, and the result."""
        size = self.image.shape[-2:]
        position = resize_flow(self.motion.position, size)
        source = (2 * self.source - 1).expand_as(self.image)
        occlusion = nn.functional.interpolate(self.motion.occlusion, size)
        points = self.source_keypoints.value.expand_as(self.keypoints.value)
        return {
            "source keypoints": draw_points(source, points),
            "warped": 2 * sample_image(self.source, position) - 1,
            "masks": nn.functional.interpolate(draw_masks(self.motion.mask), size),
            "occlusion": (2 * occlusion - 1).expand_as(self.image),
            "result": self.image,
        }

    def pictures_of(self, driving: Tensor) -> dict[str, Tensor]:
        """The keypoints that the source was moved to."""
        return {"driving keypoints": draw_points(driving, self.keypoints.value)}


class FOMM(Reenactor[FOMMState, Keypoints]):
    """First-order motion model (Siarohin et al., NeurIPS 2019).

    Args:
        config: widths and depths.
    """

    needs = Contents()
    modes: ClassVar[tuple[Mode, ...]] = ("absolute", "relative")
    parts: ClassVar = {"keypoints": ("value", "jacobian")}

    def __init__(self, config: FOMMConfig) -> None:
        super().__init__()
        self.config = config
        sizes = config.detector_largest, config.detector_blocks, config.reduction
        self.detector = KeypointDetector(config.keypoints, config.detector_width, *sizes, config.detector_padding)
        sizes = config.motion_largest, config.motion_blocks, config.reduction_of_motion
        motion = DenseMotionNetwork(config.keypoints, config.motion_width, *sizes)
        inner = list_widths(config.width, config.largest, config.halvings)
        self.generator = Generator([config.width, *inner], config.bottleneck, motion)

    def encode(self, source: Portrait) -> FOMMState:
        """Keypoints and features of the source.

        Raises:
            ReenactError: if its sides are not multiples of `FOMMConfig.stride`.
        """
        keypoints = self.read(source)
        return FOMMState(keypoints, self.generator.encode((source.image + 1) / 2), keypoints)

    def read(self, driving: Portrait) -> Keypoints:
        """The keypoints of the image.

        Raises:
            ReenactError: as `encode`.
        """
        height, width = driving.image.shape[-2:]
        stride = self.config.stride
        if height % stride or width % stride:
            raise ReenactError(
                f"FOMM with these settings needs images whose sides are multiples of {stride}, not {width}x{height}"
            )
        keypoints: Keypoints = self.detector((driving.image + 1) / 2)
        return keypoints

    def retarget(
        self, state: FOMMState, driving: Keypoints, transfer: Transfer, reference: Keypoints | None = None
    ) -> Keypoints:
        """Retarget keypoints by `retarget_keypoints`; absolute motion is relative to the source itself."""
        self.check_transfer(transfer)
        if transfer.mode == "absolute":
            return retarget_keypoints(state.motion, driving, state.motion, transfer.strength)
        return retarget_keypoints(state.motion, driving, reference, transfer.strength, adapt_scale=transfer.adapt_scale)

    def perform(self, state: FOMMState, motion: Keypoints, random: BatchDraws | None = None) -> FOMMReenactment:
        """The source with its keypoints moved."""
        image, dense = self.generator(state.appearance, state.keypoints, motion)
        return FOMMReenactment(
            image=2 * image - 1,
            source=state.appearance.image,
            source_keypoints=state.keypoints,
            keypoints=motion,
            motion=dense,
        )

    def folded(self) -> Self:
        """A copy for inference, with batch norms inside convolutions."""
        return fold_blocks(copy.deepcopy(self).eval())


def retarget_keypoints(
    source: Keypoints,
    driving: Keypoints,
    reference: Keypoints | None = None,
    strength: float = 1.0,
    *,
    adapt_scale: bool = False,
) -> Keypoints:
    """The source's keypoints, moved as the driving ones moved since the reference.

    `p = p_s + k s (p_d - p_r)` and `J = (I + k (J_d J_r^-1 - I)) J_s`, k the strength; with the source as its own
    reference and k = 1 that is the driving keypoints. Where nothing changed the source's stay to the bit.

    Args:
        source: of batch 1 or B.
        driving: batch B, or clips of (B, T).
        reference: the driving face that corresponds to the source's, of batch 1 or B; None takes the first driving
            frame, of clips the first of each.
        strength: k; 0 keeps the source.
        adapt_scale: s is the ratio of the hulls of source and reference (official `adapt_movement_scale`), else 1.
    """
    reference = first_frames(driving, driving.value.ndim - 2) if reference is None else reference
    source, reference = align_leading(source, driving), align_leading(reference, driving)
    scale = hull_ratio(source.value, reference.value) if adapt_scale else 1.0
    value = source.value + strength * scale * (driving.value - reference.value)
    eye = torch.eye(2, device=value.device, dtype=value.dtype)
    change = eye + strength * (driving.jacobian @ torch.linalg.inv(reference.jacobian) - eye)
    s, d, r = source, driving, reference
    return Keypoints(
        keep_unmoved(value, s.value, d.value, r.value, strength),
        keep_unmoved(change @ s.jacobian, s.jacobian, d.jacobian, r.jacobian, strength, dims=2),
    )
