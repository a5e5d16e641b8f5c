"""Edits by hand of heads that move by keypoints: rotation, size, place and expression."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor

from reenact.apps.edit_expression import Expressions
from reenact.errors import ReenactError
from reenact.faces.fields import TensorFields
from reenact.faces.rotation import axis_angle_to_matrix, matrix_to_axis_angle
from reenact.nn.euler import Composition, angles_of, rotation_of

ANGLES = ("yaw", "pitch", "roll")
LARGEST_ANGLE = 90.0
"""Degrees up to which yaw, pitch and roll are distinct."""
CONTROLS = "yaw, pitch, roll, tx, ty, and scale, expression from and expression sample where the method knows them"
"""Names of the controls, as options and scripts spell them, for error messages."""


@runtime_checkable
class Head(Protocol):
    """A motion whose rotation and place are apart."""

    rotation: Tensor
    """(B, 3, 3)."""
    translation: Tensor
    """(B, 2 or 3) right and down in [-1, 1] units."""


Motion = TypeVar("Motion", bound=TensorFields)


def set_head(motion: Motion, name: str, key: str, value: float, expressions: Expressions, subject: str = "") -> Motion:
    """The motion (batch 1) with one value set.

    Angles are those of the method's pose network, in degrees and with its signs; places are right and down in units of
    half the picture; scale multiplies the canonical keypoints; expressions are those of `Expressions.at`. Messages
    begin with `subject`, by default with name and key.

    Raises:
        ReenactError: if the method knows no such control, or the value is out of range: it is refused, never clamped.
    """
    subject = subject or f"{name} {key}"
    head: object = motion
    if not isinstance(head, Head):
        raise ReenactError("the method's keypoints move as one and can't be edited by hand: choose another method")
    if name == "global_pose" and key in ANGLES:
        _check_range(subject, value, -LARGEST_ANGLE, LARGEST_ANGLE)
        composition: Composition = getattr(motion, "composition", "pitch-yaw-roll")
        angles = angles_of(head.rotation, composition)
        angles[:, ANGLES.index(key)] = value
        return replace(motion, **{"rotation": rotation_of(angles, composition)})
    if name == "cam" and key in ("tx", "ty"):
        _check_range(subject, value, -1.0, 1.0)
        place = head.translation.clone()
        place[:, ("tx", "ty").index(key)] = value
        return replace(motion, **{"translation": place})
    if name == "exp" and expressions.field:
        return replace(motion, **{expressions.field: expressions.at(key, value, subject)})
    scale = getattr(motion, "scale", None)
    if name == "cam" and key == "scale" and isinstance(scale, Tensor):
        _check_range(subject, value, 0.1, 10.0)
        return replace(motion, **{"scale": torch.full_like(scale, value)})
    raise ReenactError(f"{subject}: the method has no such control; use {CONTROLS}")


def between_heads(first: Motion, second: Motion, weight: float) -> Motion:
    """The motion between two: the rotation along the shortest arc, the rest in a straight line; weight in [0, 1]."""
    start, end = vars(first)["rotation"], vars(second)["rotation"]
    step = weight * matrix_to_axis_angle(end @ start.mT)
    changes: dict[str, Tensor] = {
        name: torch.lerp(value, getattr(second, name), weight)
        for name, value in vars(first).items()
        if isinstance(value, Tensor)
    }
    changes["rotation"] = axis_angle_to_matrix(step) @ start
    return replace(first, **changes)


def _check_range(control: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ReenactError(f"{control} {value:g} is out of range: give {low:g} to {high:g}")
