"""Face-vid2vid as a `Reenactor`: canonical keypoints of the source, moved by the driving head's pose and expression."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import ClassVar, Self

import torch
from torch import Tensor, nn

from reenact.faces.contents import Contents
from reenact.faces.fields import TensorFields
from reenact.faces.portrait import Portrait
from reenact.models.common.base import Transfer
from reenact.models.common.head_driven import HeadDriven
from reenact.models.common.retarget import align_leading, blend_motion, first_frames, moving_parts, turn_rotation
from reenact.models.common.volume import VolumeConfig, VolumeReenactment, VolumeState
from reenact.models.face_vid2vid.generator import DecoderKind, Generator
from reenact.nn.bottleneck import Trunk
from reenact.nn.euler import BINS, Composition, angle_of, rotation_of
from reenact.nn.fold import fold_blocks
from reenact.nn.keypoints import hull_ratio, multiply_matrices
from reenact.nn.whole_batch import BatchDraws

PI = 3.14
"""Value of pi in the released conversion to radians, by which the released weights were trained."""
PARTS = {"pose": ("rotation",), "translation": ("translation",), "expression": ("deformation",)}
"""Parts that can move -> their fields in `HeadMotion`."""
PARTS_OF_MODE = {"pose": ("pose", "translation"), "expression": ("expression",)}
"""Modes that move less than everything."""


@dataclass
class HeadMotion(TensorFields):
    """Motion of a head's canonical keypoints: `p = R p_c + t + delta`; coordinates as in `reenact.nn.keypoints`."""

    rotation: Tensor
    """(..., 3, 3) rotation R."""
    translation: Tensor
    """(..., 3) translation t."""
    deformation: Tensor
    """(..., K, 3) delta, the expression."""
    composition: Composition = "pitch-yaw-roll"
    """The angles that R is made of, for edits of one of them."""

    def keypoints(self, canonical: Tensor) -> Tensor:
        """Places (..., K, 3) of canonical keypoints (..., K, 3), of leading dimensions that broadcast."""
        turned = multiply_matrices(canonical, self.rotation.mT)
        return turned + self.translation[..., None, :] + self.deformation


@dataclass
class Estimate(TensorFields):
    """Output of the estimator for a portrait."""

    motion: HeadMotion
    angles: Tensor
    """(B, 3) yaw, pitch and roll in degrees."""


class Estimator(Trunk):
    """A trunk with heads for three angles in bins, translation and deformation.

    Args:
        keypoints: K.
        stem: channels after the first convolution.
        widths: channels at strides 4, 8, 16 and 32.
        composition: which angle turns about which axis.
    """

    def __init__(
        self, keypoints: int, stem: int, widths: Sequence[int], composition: Composition = "pitch-yaw-roll"
    ) -> None:
        super().__init__(stem, widths)
        self.composition = composition
        self.fc_roll, self.fc_pitch, self.fc_yaw = (nn.Linear(widths[-1], BINS) for _ in range(3))
        self.fc_t = nn.Linear(widths[-1], 3)
        self.fc_exp = nn.Linear(widths[-1], 3 * keypoints)

    def forward(self, image: Tensor) -> Estimate:
        """Pose and expression of images (B, 3, H, W) in [0, 1]."""
        yaw, pitch, roll, translation, expression = self.heads(image)
        angles = torch.stack([angle_of(logits) for logits in (yaw, pitch, roll)], dim=1)
        deformation = expression.view(len(image), -1, 3)
        rotation = rotation_of(angles * (PI / math.pi), self.composition)
        return Estimate(HeadMotion(rotation, translation, deformation, self.composition), angles)

    def heads(self, image: Tensor) -> tuple[Tensor, ...]:
        """Logits (B, 66) of yaw, pitch and roll; translation (B, 3); deformation (B, 3 K)."""
        x = self.features(image)
        # The released code reads yaw from `fc_roll` and roll from `fc_yaw`; so do its weights.
        return self.fc_roll(x), self.fc_pitch(x), self.fc_yaw(x), self.fc_t(x), self.fc_exp(x)


@dataclass(frozen=True, kw_only=True)
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
class FaceVid2VidState(VolumeState):
    """Encoded source."""

    motion: HeadMotion
    """Pose and expression of the source."""


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
        return FaceVid2VidState(
            motion=motion,
            image=source.image,
            canonical=canonical,
            keypoints=motion.keypoints(canonical),
            volume=volume,
            compressed=compressed,
        )

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
        """Retarget the driving head's motion, `retarget_head`."""
        self.check_transfer(transfer)
        return retarget_head(state.motion, state.canonical, driving, transfer, reference)

    def perform(
        self, state: FaceVid2VidState, motion: HeadMotion, random: BatchDraws | None = None
    ) -> VolumeReenactment:
        """The source with its keypoints moved."""
        keypoints = motion.keypoints(state.canonical)
        dense = self.generator.dense_motion_network(state.compressed, state.keypoints, keypoints)
        image = 2 * self.generator.decode(state.volume, dense) - 1
        return VolumeReenactment(
            image=image,
            source=state.image,
            canonical=state.canonical,
            source_keypoints=state.keypoints,
            keypoints=keypoints,
            position=dense.position,
            mask=dense.mask,
            occlusion=dense.occlusion,
        )

    def folded(self) -> Self:
        """A copy for inference, with norms inside convolutions."""
        return fold_blocks(copy.deepcopy(self).eval())


def retarget_head(
    source: HeadMotion, canonical: Tensor, driving: HeadMotion, transfer: Transfer, reference: HeadMotion | None = None
) -> HeadMotion:
    """The source's head with the motion of the driving head.

    Part by part, a value that moves goes from the source's by the driving one's change: `t_s + k s (t_d - t_r)`,
    `(R_d R_r^-1)^k R_s`, k the strength and s the ratio of sizes. In every mode but `relative` the source is its own
    reference. Relative motion of everything is the released demos', which moves keypoints, `p_s + k s (p_d - p_r)`; the
    deformation then takes up what the turned and shifted canonical keypoints do not reach.

    Args:
        source: of batch 1 or B.
        canonical: keypoints (B, K, 3) of the source.
        driving: batch B, or clips of (B, T).
        transfer: what moves and how.
        reference: read in relative mode, batch 1 or B; None takes the first driving frame, of clips the first of each.
    """
    relative = transfer.mode == "relative"
    leading = driving.translation.shape[:-1]
    s, d, k = align_leading(source, driving), driving, transfer.strength
    r = s
    if relative:
        reference = first_frames(driving, len(leading)) if reference is None else reference
        r = align_leading(reference, driving)
    canonical = canonical.reshape(len(canonical), *(1,) * (len(leading) - 1), *canonical.shape[1:])
    places = [motion.keypoints(canonical) for motion in (s, d, r)]
    scale = hull_ratio(places[0], places[2]) if relative and transfer.adapt_scale else places[0].new_ones(1, 1, 1)
    moving = moving_parts(transfer, PARTS, PARTS_OF_MODE)
    source_batch = s.map(lambda value: value.expand(*leading, *value.shape[len(leading) :]))
    rotation = turn_rotation(s.rotation, d.rotation, r.rotation, k) if "pose" in moving else source_batch.rotation
    shifted = "translation" in moving
    translation = (
        blend_motion(s.translation, d.translation, r.translation, k, scale[..., 0])
        if shifted
        else source_batch.translation
    )
    deformation = source_batch.deformation
    if "expression" in moving:
        deformation = blend_motion(s.deformation, d.deformation, r.deformation, k, scale, dims=2)
    moved = HeadMotion(rotation, translation, deformation, s.composition)
    if relative and moving == set(PARTS):
        goal = relative_keypoints(places[0], places[1], places[2], k, scale)
        unchanged = (places[1] == places[2]).all(-1).all(-1)[..., None, None]
        moved.deformation = torch.where(unchanged, deformation, deformation + goal - moved.keypoints(canonical))
    return moved


def relative_keypoints(source: Tensor, driving: Tensor, reference: Tensor, strength: float, scale: Tensor) -> Tensor:
    """`p_s + k s (p_d - p_r)` of keypoints (..., K, 3), broadcast: `normalize_kp` of the released demos."""
    return source + strength * scale * (driving - reference)
