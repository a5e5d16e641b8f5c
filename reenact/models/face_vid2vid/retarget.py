"""Transfer of motion from one head to another, in Face-vid2vid's terms."""

from __future__ import annotations

import torch
from torch import Tensor

from reenact.models.common.base import Transfer
from reenact.models.common.retarget import align_leading, blend_motion, first_frames, moving_parts, turn_rotation
from reenact.models.face_vid2vid.estimator import HeadMotion
from reenact.nn.keypoints import hull_ratio

PARTS = {"pose": ("rotation",), "translation": ("translation",), "expression": ("deformation",)}
"""Parts that can move -> their fields in `HeadMotion`."""
PARTS_OF_MODE = {"pose": ("pose", "translation"), "expression": ("expression",)}
"""Modes that move less than everything."""


def retarget(
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
