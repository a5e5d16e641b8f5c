"""Faces that edits start from: the source in another picture's head pose, and without an expression."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import torch

from reenact.apps.animator import Animator
from reenact.apps.common_frame import share_frame, share_size
from reenact.errors import ReenactError
from reenact.faces.fields import TensorFields
from reenact.models.common.base import Transfer
from reenact.tracking.face_clip import FaceClip

Neutral = Literal["expression", "canonical"]
"""Faces without an expression."""


def take_pose(animator: Animator, start: TensorFields, source: FaceClip, other: FaceClip) -> TensorFields:
    """The source's motion with the head pose, place and size of another picture, as `animate --motion pose` gives them.

    Args:
        animator: A method with its source prepared.
        start: Motion of the source, batch 1; its expression stays.
        source: The source's picture.
        other: The picture whose pose is taken.

    Raises:
        ReenactError: if the method's motion has no head pose.
    """
    if "pose" not in animator.network.modes:
        raise ReenactError(f"--pose-from: the motion of {animator.module.method} has no head pose; use reenact animate")
    other = share_size(source, share_frame(source, other, 0, animator.target.crop), animator.face_model)
    portrait = other.portraits(np.zeros(1, np.int64), [next(other.images())])
    return animator.transfer_to(start, animator.read(portrait), replace(animator.transfer, mode="pose"))


def make_neutral(animator: Animator, kind: Neutral) -> TensorFields:
    """Return a motion of the source without an expression, batch 1.

    Args:
        animator: A method with its source prepared.
        kind: `expression` sets all numbers of its expression, jaw and eyes to 0 and leaves the head where it is;
            `canonical` gives the canonical keypoints themselves, in front view.

    Raises:
        ReenactError: if the method's motion has no expression, or the method no canonical keypoints.
    """
    if kind == "canonical":
        return animator.build_canonical_motion()
    if "expression" not in animator.network.modes:
        raise ReenactError(f"--neutral: the motion of {animator.module.method} has no expression; omit it")
    motion = animator.motion
    return animator.transfer_to(motion, motion.map(torch.zeros_like), Transfer("expression"))
