"""MMFA as a `Reenactor`: canonical keypoints, moved by rotation, scale, translation and expression."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Protocol, Self

import torch
from torch import Tensor

from reenact.faces.contents import Contents
from reenact.faces.fields import TensorFields
from reenact.faces.portrait import Portrait
from reenact.models.common.base import Transfer
from reenact.models.common.controls import Control, ControlError
from reenact.models.common.head_driven import HeadDriven
from reenact.models.common.retarget import (
    align_leading,
    blend_motion,
    first_frames,
    keep_unmoved,
    moving_parts,
    turn_rotation,
)
from reenact.models.common.volume import VolumeReenactment, VolumeState
from reenact.models.mmfa.estimators import ExpressionDecoder, MMFAConfig
from reenact.models.mmfa.generator import MultiScaleGenerator
from reenact.nn.euler import rotation_of
from reenact.nn.fold import fold_blocks
from reenact.nn.head_pose import HeadPose
from reenact.nn.hourglass import list_widths
from reenact.nn.keypoints import multiply_matrices
from reenact.nn.volume import AppearanceExtractor
from reenact.nn.whole_batch import BatchDraws

PARTS = {
    "pose": ("rotation",),
    "scale": ("scale",),
    "translation": ("translation",),
    "expression": ("expression",),
}
"""Parts that can move -> their fields in `FaceMotion`."""
PARTS_OF_MODE = {"pose": ("pose", "scale", "translation"), "expression": ("expression",)}
"""Modes that move less than everything."""
CODES = "expression_vae"
"""Name of the file of expression codes, in `Method.control_files`."""
EXPRESSION_SAMPLE = "expression.sample"
"""Control of a random expression out of the codes."""


class ExpressionCodes(Protocol):
    """A network through whose codes expressions (B, E) are interpolated or drawn."""

    def between(self, source: Tensor, driving: Tensor, weight: float) -> Tensor:
        """Return the expressions at a weight, 0 to 1, on the way from the source's to the driving face's."""

    def sample(self, seed: int) -> Tensor:
        """Return a random expression (1, E), the same for the same seed."""


@dataclass
class FaceMotion(TensorFields):
    """Motion of a portrait (eq. 4 and 5); coordinates as in `reenact.nn.keypoints`."""

    rotation: Tensor
    """(..., 3, 3) rotation R."""
    scale: Tensor
    """(..., 1) scale f."""
    translation: Tensor
    """(..., 2) translation t, right and down."""
    expression: Tensor
    """(..., E) expression feature e."""
    deformed: Tensor | None = None
    """(..., 1) factor of the deformation `D_e(e, p_c)`: 1, or 0 for the canonical face, which has none; None for 1."""

    def keypoints(self, canonical: Tensor, deformation: Tensor) -> Tensor:
        """`R f (p_c + delta) + t` (eq. 5) of canonical keypoints and deformations (..., K, 3), broadcast."""
        turned = multiply_matrices(canonical + deformation, self.rotation.mT)
        shift = torch.cat((self.translation, torch.zeros_like(self.scale)), dim=-1)
        return self.scale.unsqueeze(-2) * turned + shift.unsqueeze(-2)


@dataclass
class MMFAState(VolumeState):
    """Encoded source."""

    motion: FaceMotion
    """Pose and expression of the source."""
    image_motion: FaceMotion
    """Pose and expression of the picture itself, from which it is warped; `motion` may be replaced by an edit."""


@dataclass
class MMFAReenactment(VolumeReenactment):
    """A result with what led to it."""

    coarse: tuple[Tensor, ...]
    """The result at lower sizes, coarse to fine, in [-1, 1]."""
    deformation: Tensor
    """(B, K, 3) of the canonical keypoints, by the driving expression."""
    expression: Tensor
    """(B, E) the driving expression."""
    source_expression: Tensor
    """(B or 1, E) that of the source's picture."""


class MMFA(HeadDriven[MMFAState, FaceMotion]):
    """Multi-modal face animation by 3D keypoints whose pose, scale, translation and expression come apart.

    Args:
        config: widths and depths.
    """

    needs = Contents()
    parts: ClassVar = PARTS

    def __init__(self, config: MMFAConfig) -> None:
        super().__init__()
        self.config = config
        volume = config.channels, config.depth
        inner = [config.width, *list_widths(config.width, config.largest, config.halvings)]
        self.detector = config.detector()
        self.affine = config.affine_estimator()
        self.encoder = config.expression_encoder()
        self.decoder = ExpressionDecoder(config.expression, config.keypoints, config.decoder_widths)
        self.appearance = AppearanceExtractor(config.width, config.largest, config.halvings, *volume, config.blocks)
        self.dense_motion = config.dense_motion()
        self.generator = MultiScaleGenerator(*volume, inner[::-1], config.stage_blocks)
        self._pose: HeadPose | None = None

    def encode(self, source: Portrait) -> MMFAState:
        """Canonical keypoints, motion and appearance of the source.

        Raises:
            ReenactError: if its sides are not multiples of the stride, or the pose network's weights are missing.
        """
        motion = self.read(source)
        image = (source.image + 1) / 2
        canonical = self.detector(image)
        keypoints = motion.keypoints(canonical, self.decoder(motion.expression, canonical))
        volume = self.appearance(image)
        compressed = self.dense_motion.compressed(volume)
        return MMFAState(
            motion=motion,
            image=source.image,
            canonical=canonical,
            keypoints=keypoints,
            volume=volume,
            compressed=compressed,
            image_motion=motion,
        )

    def read(self, driving: Portrait) -> FaceMotion:
        """Rotation, scale, translation and expression in the image.

        Raises:
            ReenactError: as `encode`.
        """
        self.config.check(driving.image, "MMFA")
        image = (driving.image + 1) / 2
        scale, translation = self.affine(image)
        rotation = rotation_of(self.load_head_pose()(driving.image))
        return FaceMotion(
            rotation=rotation,
            scale=scale,
            translation=translation,
            expression=self.encoder(image),
            deformed=torch.ones_like(scale),
        )

    def load_head_pose(self) -> HeadPose:
        """Return the network of head poses, loaded once; raises `ReenactError` if its weights are missing."""
        if self._pose is None:
            self._pose = HeadPose(self.config.pose)
        return self._pose

    def build_canonical_motion(self, state: MMFAState) -> FaceMotion:
        """Return R = I, f = 1 and t = 0 without a deformation: the keypoints are p_c itself."""
        motion = state.motion
        rotation = torch.eye(3, device=motion.rotation.device, dtype=motion.rotation.dtype).expand_as(motion.rotation)
        nothing = torch.zeros_like(motion.scale)
        return replace(
            motion,
            rotation=rotation,
            scale=nothing + 1,
            translation=torch.zeros_like(motion.translation),
            deformed=nothing,
        )

    def controls(self) -> Mapping[str, Control]:
        """Controls of the head, and the expressions out of the codes of the VAE."""
        effect = "draws a random expression, the same for the same number"
        sample = Control(
            effect=effect, low=0.0, high=99.0, part="expression", whole=True, limited=False, requires=CODES
        )
        return {**super().controls(), EXPRESSION_SAMPLE: sample}

    def set_expression(self, state: MMFAState, motion: FaceMotion, name: str, value: float) -> FaceMotion:
        """Take the expression of the example, or draw one from the codes.

        Raises:
            ControlError: if the example or the codes are missing.
        """
        if name != EXPRESSION_SAMPLE:
            return super().set_expression(state, motion, name, value)
        codes: ExpressionCodes | None = self.control_files.get(CODES)
        if codes is None:
            raise ControlError(name, ": no VAE is known to draw from; give its checkpoint with --expression-vae")
        return replace(motion, expression=codes.sample(int(value)).expand_as(motion.expression))

    def mix_expressions(self, source: Tensor, example: Tensor, weight: float) -> Tensor:
        """Mix through the codes of the VAE (section 3.3) where its file is loaded, else in a straight line."""
        codes: ExpressionCodes | None = self.control_files.get(CODES)
        return (
            super().mix_expressions(source, example, weight)
            if codes is None
            else codes.between(source, example, weight)
        )

    def retarget(
        self, state: MMFAState, driving: FaceMotion, transfer: Transfer, reference: FaceMotion | None = None
    ) -> FaceMotion:
        """Part by part, the source's value moved by the driving one's change.

        `(R_d R_r^-1)^k R_s`, `f_s (f_d / f_r)^k`, `t_s + k s (t_d - t_r)` and `e_s + k (e_d - e_r)`, k the strength and
        s the ratio `f_s / f_r` if sizes are adapted. In every mode but `relative` the source is its own reference.
        """
        self.check_transfer(transfer)
        relative = transfer.mode == "relative"
        s, d, k, leading = align_leading(state.motion, driving), driving, transfer.strength, driving.scale.shape[:-1]
        r = s
        if relative:
            reference = first_frames(driving, len(leading)) if reference is None else reference
            r = align_leading(reference, driving)
        moving = moving_parts(transfer, PARTS, PARTS_OF_MODE)
        moved = s.map(lambda value: value.expand(*leading, *value.shape[len(leading) :]))
        if "pose" in moving:
            moved.rotation = turn_rotation(s.rotation, d.rotation, r.rotation, k)
        if "scale" in moving:
            moved.scale = keep_unmoved(s.scale * (d.scale / r.scale) ** k, s.scale, d.scale, r.scale, k)
        if "translation" in moving:
            size = s.scale / r.scale if relative and transfer.adapt_scale else 1.0
            moved.translation = blend_motion(s.translation, d.translation, r.translation, k, size)
        if "expression" in moving:
            moved.expression = blend_motion(s.expression, d.expression, r.expression, k)
        return moved

    def perform(self, state: MMFAState, motion: FaceMotion, random: BatchDraws | None = None) -> MMFAReenactment:
        """The source with its keypoints moved."""
        deformation = self.decoder(motion.expression, state.canonical)
        if motion.deformed is not None:
            deformation = deformation * motion.deformed.unsqueeze(2)
        keypoints = motion.keypoints(state.canonical, deformation)
        jacobian = self._jacobian(state.image_motion, motion)
        dense = self.dense_motion(state.compressed, state.keypoints, keypoints, jacobian)
        *coarse, image = (2 * image - 1 for image in self.generator(state.volume, dense))
        return MMFAReenactment(
            image=image,
            source=state.image,
            canonical=state.canonical,
            source_keypoints=state.keypoints,
            keypoints=keypoints,
            position=dense.position,
            mask=dense.mask,
            occlusion=dense.occlusion,
            coarse=tuple(coarse),
            deformation=deformation,
            expression=motion.expression,
            source_expression=state.image_motion.expression,
        )

    def folded(self) -> Self:
        """A copy for inference, with norms inside convolutions."""
        return fold_blocks(copy.deepcopy(self).eval())

    def _jacobian(self, source: FaceMotion, driving: FaceMotion) -> Tensor | None:
        """Jacobian of the map from driving to source, (B, 1, 3, 3): `(f_s / f_d) R_s R_d^T` follows from eq. (5)."""
        if self.config.jacobian == "none":
            return None
        jacobian = multiply_matrices(source.rotation, driving.rotation.transpose(1, 2)).unsqueeze(1)
        if self.config.jacobian == "rotation":
            return jacobian
        return (source.scale / driving.scale).view(-1, 1, 1, 1) * jacobian
