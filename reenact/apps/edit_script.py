"""The small language of face edits, and its effect on face parameters.

A script is pairs `name value`, by the names of `reenact edit`'s options, and triplets `name key value`, in the words of
GDPW's editing demo, any number on a line, plus two commands:

    # a nod with a smile
    expression 0 1.5  jaw_open 6
    frames 10             # ten frames from the face so far to this one
    pitch 12
    frames 15
    reset                 # back to the source's own face
    frames 15

A value stays until it is set again or `reset`. Without `frames` a script gives one picture.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import TypeAlias, TypeVar

import torch
from torch import Tensor

from reenact.apps.edit_expression import Expressions
from reenact.apps.edit_head import between_heads, set_head
from reenact.errors import ReenactError
from reenact.faces.fields import TensorFields
from reenact.faces.model import FaceModel
from reenact.faces.params import FaceParams
from reenact.faces.rotation import (
    axis_angle_to_euler,
    axis_angle_to_matrix,
    euler_to_axis_angle,
    matrix_to_axis_angle,
)

ANGLES = ("yaw", "pitch", "roll")
ROTATIONS = {
    "global_pose": ("global_pose", slice(0, 3)),
    "neck_pose": ("neck_pose", slice(0, 3)),
    "jaw_pose": ("jaw_pose", slice(0, 3)),
    "leye_pose": ("eye_pose", slice(0, 3)),
    "reye_pose": ("eye_pose", slice(3, 6)),
}
"""Script name to field of `FaceParams` and place in it."""
CAMERA_KEYS = {3: ("scale", "tx", "ty"), 7: ("fx", "fy", "cx", "cy", "tx", "ty", "tz")}
"""Names of the camera's entries, by their number."""
NAMES = {name: name for name in ("shape", "exp", *ROTATIONS, "cam")} | {"expression": "exp"}
"""Names that a key follows -> name of the edit; `expression` is the option's name for `exp`."""
CONTROLS = {
    "yaw": ("global_pose", "yaw"),
    "pitch": ("global_pose", "pitch"),
    "roll": ("global_pose", "roll"),
    "jaw_open": ("jaw_pose", "pitch"),
    "jaw_yaw": ("jaw_pose", "yaw"),
    "jaw_roll": ("jaw_pose", "roll"),
    "left_eye_yaw": ("leye_pose", "yaw"),
    "left_eye_pitch": ("leye_pose", "pitch"),
    "right_eye_yaw": ("reye_pose", "yaw"),
    "right_eye_pitch": ("reye_pose", "pitch"),
    "scale": ("cam", "scale"),
    "tx": ("cam", "tx"),
    "ty": ("cam", "ty"),
}
"""Options of `edit` -> name and key of the edit; sweeps and scripts have the same names, which no key follows."""


@dataclass(frozen=True)
class Edit:
    """Set one value; angles in degrees, coefficients and camera entries in their own units."""

    name: str
    key: str
    value: float
    typed: str = field(default="", compare=False)
    """The option or the words of a script that ask for it, for messages."""

    @property
    def subject(self) -> str:
        """The beginning of a message about the edit."""
        return self.typed or f"{self.name} {self.key}"


@dataclass(frozen=True)
class Reset:
    """Go back to the source's own parameters."""


@dataclass(frozen=True)
class Frames:
    """Move from the face of the last `frames` to the present one in so many frames."""

    count: int


Step: TypeAlias = "Edit | Reset | Frames"
Known: TypeAlias = "FaceModel | Expressions"
"""Meaning of a script's words for a method: the face model of its parameters, or the expressions of its heads."""
Motion = TypeVar("Motion", bound=TensorFields)


def parse_script(text: str, place: str) -> list[Step]:
    """Read a script.

    Args:
        text: The script.
        place: What to call it in errors: the file or the option.

    Raises:
        ReenactError: if a line is malformed; the message has its number.
    """
    steps: list[Step] = []
    for number, line in enumerate(text.splitlines(), 1):
        tokens = iter(line.partition("#")[0].split())
        for name in tokens:
            steps.append(_parse_step(name, tokens, f"{place} line {number}"))
    return steps


def _parse_step(name: str, tokens: Iterator[str], place: str) -> Step:
    if name == "reset":
        return Reset()
    if name == "frames":
        count = next(tokens, "")
        if not count.isdigit() or not int(count):
            raise ReenactError(f"{place}: `frames` needs a whole number above 0, not {count!r}")
        return Frames(int(count))
    if name in CONTROLS:
        value = next(tokens, None)
        if value is None:
            raise ReenactError(f"{place}: {name!r} needs a value, as in `yaw 15`")
        typed = f"{place}: {name}"
        return Edit(*CONTROLS[name], parse_number(value, typed), typed)
    if name not in NAMES:
        words_of_scripts = ", ".join((*CONTROLS, *NAMES, "reset", "frames"))
        raise ReenactError(f"{place}: unknown name {name!r}; use one of {words_of_scripts}")
    key, value = next(tokens, None), next(tokens, None)
    if key is None or value is None:
        raise ReenactError(f"{place}: {name!r} needs a key and a value, as in `global_pose yaw 15`")
    typed = f"{place}: {name} {key}"
    return Edit(NAMES[name], key, parse_number(value, typed), typed)


def parse_number(text: str, place: str) -> float:
    """A finite number.

    Raises:
        ReenactError: if the text is not one; the message starts with `place`.
    """
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ReenactError(f"{place}: {text!r} is not a number")
    return number


def apply_edit(motion: Motion, edit: Edit, controls: Known) -> Motion:
    """The motion (batch 1) with one value set; motions other than face parameters as `set_head`.

    Angles are extrinsic y, x, z Euler angles: yaw turns to the subject's left, pitch bends down (opens the jaw), roll
    tilts counter-clockwise in the image; the other two keep their values.

    Raises:
        ReenactError: if the edit's key is unknown or out of range.
    """
    if not isinstance(motion, FaceParams):
        assert isinstance(controls, Expressions)
        return set_head(motion, edit.name, edit.key, edit.value, controls, edit.subject)
    assert not isinstance(controls, Expressions)
    return _apply_to_params(motion, edit, controls)  # type: ignore[return-value]  # Motion is FaceParams here


def _apply_to_params(params: FaceParams, edit: Edit, face_model: FaceModel) -> FaceParams:
    if edit.name in ROTATIONS:
        field, part = ROTATIONS[edit.name]
        if field not in face_model.rotations:
            raise ReenactError(
                f"{edit.subject} turns nothing of the face model {face_model.name}; use yaw, pitch, roll or expression"
            )
        value = getattr(params, field).clone()
        value[..., part] = _with_angle(value[..., part], edit)
    elif edit.name == "cam":
        field, value = "camera", params.camera.clone()
        keys = CAMERA_KEYS[value.shape[-1]]
        value[..., _one_of(edit, keys)] = edit.value
    else:
        field = {"shape": "shape", "exp": "expression"}[edit.name]
        value = getattr(params, field).clone()
        value[..., _parse_coefficient(edit, value.shape[-1], face_model)] = edit.value
    return replace(params, **{field: value})


def _with_angle(axis_angle: Tensor, edit: Edit) -> Tensor:
    angles = axis_angle_to_euler(axis_angle)
    angles[..., _one_of(edit, ANGLES)] = math.radians(edit.value)
    return euler_to_axis_angle(angles)


def _one_of(edit: Edit, keys: tuple[str, ...]) -> int:
    if edit.key not in keys:
        raise ReenactError(f"{edit.subject}: unknown key {edit.key!r}; use one of {', '.join(keys)}")
    return keys.index(edit.key)


def _parse_coefficient(edit: Edit, count: int, face_model: FaceModel) -> int:
    names = face_model.expression_names if edit.name == "exp" else face_model.shape_names
    if edit.key in names:
        return names.index(edit.key)
    if not edit.key.isdigit() or int(edit.key) >= count:
        also = f", or one of {', '.join(get_close_matches(edit.key, names, 5, 0.4) or names)}" if names else ""
        raise ReenactError(f"{edit.subject}: no coefficient {edit.key!r}; use a number from 0 to {count - 1}{also}")
    return int(edit.key)


def run_script(steps: list[Step], source: Motion, controls: Known, start: Motion) -> Motion:
    """The faces that a script asks for.

    Args:
        steps: The script.
        source: The source's own parameters, batch 1, to which `reset` goes back.
        controls: What its words mean.
        start: The face that the script begins with, batch 1.

    Returns:
        Batch F: the `frames` of the script one after the other, or one where it has none.

    Raises:
        ReenactError: if a key is unknown or out of range.
    """
    current = keyframe = start
    frames: list[Motion] = []
    for step in steps:
        if isinstance(step, Edit):
            current = apply_edit(current, step, controls)
        elif isinstance(step, Reset):
            current = source
        else:
            frames += [blend_motions(keyframe, current, (i + 1) / step.count) for i in range(step.count)]
            keyframe = current
    return type(source).cat(frames or [current])


def blend_motions(first: Motion, second: Motion, weight: float) -> Motion:
    """The motion between two: rotations along the shortest arc, the rest in a straight line.

    Args:
        first: What weight 0 gives.
        second: What weight 1 gives.
        weight: In [0, 1].
    """
    if not isinstance(first, FaceParams) or not isinstance(second, FaceParams):
        return between_heads(first, second, weight)
    return replace(
        first,
        shape=torch.lerp(first.shape, second.shape, weight),
        expression=torch.lerp(first.expression, second.expression, weight),
        camera=torch.lerp(first.camera, second.camera, weight),
        global_pose=_interpolate_tensor(first.global_pose, second.global_pose, weight),
        neck_pose=_interpolate_tensor(first.neck_pose, second.neck_pose, weight),
        jaw_pose=_interpolate_tensor(first.jaw_pose, second.jaw_pose, weight),
        eye_pose=_interpolate_tensor(first.eye_pose, second.eye_pose, weight),
    )


def _interpolate_tensor(first: Tensor, second: Tensor, weight: float) -> Tensor:
    start, end = (axis_angle_to_matrix(pose.view(*pose.shape[:-1], -1, 3)) for pose in (first, second))
    step = axis_angle_to_matrix(weight * matrix_to_axis_angle(end @ start.mT))
    return matrix_to_axis_angle(step @ start).flatten(-2)
