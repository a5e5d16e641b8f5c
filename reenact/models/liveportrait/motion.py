"""LivePortrait's motion, and what a source takes from a driving face (`src/live_portrait_pipeline.py`)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import torch
from torch import Tensor

from reenact.faces.fields import TensorFields
from reenact.models.common.base import Transfer
from reenact.models.common.retarget import (
    align_leading,
    blend_motion,
    first_frames,
    keep_unmoved,
    moving_parts,
    turn_rotation,
)
from reenact.models.common.volume import VolumeState
from reenact.models.liveportrait.expressions import move_expression
from reenact.models.liveportrait.motion_extractor import HeadReading
from reenact.nn.euler import AnyComposition, rotation_of
from reenact.nn.keypoints import multiply_matrices

KEYPOINTS: Final = 21
"""Number of keypoints, which regions and sliders count on."""
PARTS: Final = {
    "pose": ("rotation",),
    "translation": ("translation",),
    "scale": ("scale",),
    "expression": ("expression", "sliders", "eye_offsets", "lip_offsets", "calm_offsets"),
}
"""Parts that can move -> their fields in `PortraitMotion`."""
OPTIONAL_PARTS: Final = {"face": ("expression",), "lips": ("expression",), "eyes": ("expression",)}
"""Regions of the expression, which move alone where they are named."""
PARTS_OF_MODE: Final = {
    "absolute": ("pose", "translation", "expression"),
    "pose": ("pose", "translation"),
    "expression": ("expression",),
}
"""Modes that move less than everything: the scale is a driving crop's, which only a change of it tells."""
POINTS_OF_REGION: Final = {"lips": (6, 12, 14, 17, 19, 20), "eyes": (11, 13, 15, 16, 18)}
"""Keypoints whose expression is of a region."""
POINTS_OF_FACE: Final = {
    **dict.fromkeys((1, 2, 6, *range(11, 21)), (0, 1, 2)),
    3: (1,),
    4: (1,),
    5: (2,),
    8: (2,),
    9: (1, 2),
}
"""Keypoint -> axes of its expression that absolute motion takes; the others hold the shape of the driving face."""


@dataclass
class PortraitMotion(TensorFields):
    """Motion of a head's canonical keypoints: `p = s (p_c R + delta) + t`, on rows; as in `reenact.nn.keypoints`."""

    rotation: Tensor
    """(..., 3, 3) rotation R of rows."""
    translation: Tensor
    """(..., 3) translation t, whose z is 0."""
    scale: Tensor
    """(..., 1) scale s."""
    expression: Tensor
    """(..., K, 3) expression delta."""
    openings: Tensor
    """(..., 3) openings of the left eye, the right eye and the lips, as landmarks show them."""
    sliders: Tensor
    """(..., N) values of the sliders of `expressions`, which are added to the expression."""
    eye_offsets: Tensor
    """(..., K, 3) offsets that open or close the eyes."""
    lip_offsets: Tensor
    """(..., K, 3) offsets that open or close the lips."""
    calm_offsets: Tensor
    """(..., K, 3) offsets that close the lips of the source; added after stitching."""
    composition: AnyComposition = "rows"
    """Angles that R is made of."""

    @classmethod
    def of(cls, reading: HeadReading, openings: Tensor, sliders: int) -> PortraitMotion:
        """Motion that was read in pictures, with no edits."""
        zeros = torch.zeros_like(reading.expression)
        return cls(
            rotation=rotation_of(reading.angles, "rows"),
            translation=reading.translation,
            scale=reading.scale,
            expression=reading.expression,
            openings=openings,
            sliders=openings.new_zeros(len(openings), sliders),
            eye_offsets=zeros,
            lip_offsets=zeros,
            calm_offsets=zeros,
        )

    def keypoints(self, canonical: Tensor) -> Tensor:
        """Places (..., K, 3) of canonical keypoints (..., K, 3), of leading dimensions that broadcast."""
        turned = multiply_matrices(canonical, self.rotation)
        expression = move_expression(self.expression, self.sliders)
        return self.scale[..., None] * (turned + expression) + self.translation[..., None, :]


@dataclass
class LivePortraitState(VolumeState):
    """Encoded source."""

    motion: PortraitMotion
    """Pose, scale and expression of the source."""


def transfer_motion(
    source: PortraitMotion, driving: PortraitMotion, transfer: Transfer, reference: PortraitMotion | None = None
) -> PortraitMotion:
    """The source's motion with what the driving face gives, without offsets; the openings stay the source's.

    Part by part, a value that moves goes from the source's by the driving one's change: rotations `(R_d R_r^-1)^k R_s`,
    scales `s_s (1 + k (s_d / s_r - 1))`, the rest `v_s + k (v_d - v_r)`. In every mode but `relative` the source is its
    own reference, and of the expression the values of `POINTS_OF_FACE` alone move.

    Args:
        source: of batch 1 or B.
        driving: batch B, or clips of (B, T).
        transfer: what moves and how.
        reference: read in relative mode, batch 1 or B; None takes the first driving frame, of clips the first of each.
    """
    leading = driving.translation.shape[:-1]
    s, d, k = align_leading(source, driving), driving, transfer.strength
    s = s.map(lambda value: value.expand(*leading, *value.shape[len(leading) :]))
    r = s
    if transfer.mode == "relative":
        reference = first_frames(driving, len(leading)) if reference is None else reference
        r = align_leading(reference, driving)
    moving = moving_parts(transfer, PARTS, PARTS_OF_MODE)
    changes: dict[str, Any] = {}
    if "pose" in moving:
        changes["rotation"] = turn_rotation(s.rotation, d.rotation, r.rotation, k)
    if "translation" in moving:
        changes["translation"] = blend_motion(s.translation, d.translation, r.translation, k)
    if "scale" in moving:
        grown = s.scale * (1 + k * (d.scale / r.scale - 1))
        changes["scale"] = keep_unmoved(grown, s.scale, d.scale, r.scale, k)
    mask = _expression_mask(s.expression, transfer, moving)
    moved = blend_motion(s.expression, d.expression, r.expression, k, dims=2)
    changes["expression"] = torch.where(mask, moved, s.expression)
    return replace(s, **changes)


def _expression_mask(like: Tensor, transfer: Transfer, moving: set[str]) -> Tensor:
    """(K, 3) True for the values of the expression that move."""
    mask = torch.zeros(like.shape[-2:], dtype=torch.bool, device=like.device)
    if "expression" in moving and transfer.mode == "relative":
        return ~mask
    if "expression" in moving or "face" in transfer.parts:
        for point, axes in POINTS_OF_FACE.items():
            mask[point, list(axes)] = True
    for region, points in POINTS_OF_REGION.items():
        if region in transfer.parts:
            mask[list(points)] = True
    return mask
