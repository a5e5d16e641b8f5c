"""Controls of face parameters: angles, coefficients and camera; for motions that are face parameters or hold them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from difflib import get_close_matches

import torch
from torch import Tensor

from reenact.faces.model import FaceModel
from reenact.faces.params import FaceParams
from reenact.faces.rotation import (
    axis_angle_to_euler,
    axis_angle_to_matrix,
    euler_to_axis_angle,
    matrix_to_axis_angle,
)
from reenact.models.common.controls import Control, ControlError, check_value, find_control

ANGLES = {"yaw": "to the subject's left", "pitch": "downwards", "roll": "counter-clockwise in the picture"}
"""Angles of a rotation in order, extrinsic about y, x and z, and the way that they turn."""
JOINTS = {
    "": ("global_pose", 0, "pose", "head"),
    "neck_": ("neck_pose", 0, "pose", "neck"),
    "jaw_": ("jaw_pose", 0, "jaw", "jaw"),
    "left_eye_": ("eye_pose", 0, "eyes", "subject's left eye"),
    "right_eye_": ("eye_pose", 3, "eyes", "subject's right eye"),
}
"""Beginning of the names of a joint's angles -> field of `FaceParams`, place in it, part, and name for people."""
OPEN_JAW = "jaw_open"
"""Name of the jaw's pitch."""
CAMERA_KEYS = {3: ("scale", "tx", "ty"), 7: ("fx", "fy", "cx", "cy", "tx", "ty", "tz")}
"""Names of the camera's entries, by their number."""
COEFFICIENTS = {"shape": "shape", "expression": "expression"}
"""Families of coefficients -> field of `FaceParams`."""
LARGEST_ANGLE = 180.0
"""Angles in degrees on either side, a full turn."""
MOST_DEVIATIONS = 10.0
"""Limit of identities, and of the expressions of models without a range, in standard deviations: beyond it lies no
face."""
MOST_EXAGGERATION = 3.0
"""Limit of the expressions of models with a range, as a factor on its ends."""
MOST_ZOOM = 10.0
"""Factor between the usual size of a face and the smallest and largest."""


def list_parameter_controls(face_model: FaceModel) -> dict[str, Control]:
    """Controls of the parameters of a face model, by name.

    Coefficients are named by the face model, or numbered; `set_parameter` takes the numbers of named ones too.
    """
    return {
        **dict(_list_angles(face_model)),
        **dict(_list_camera(face_model)),
        **dict(_list_coefficients(face_model)),
    }


def _list_angles(face_model: FaceModel) -> Iterator[tuple[str, Control]]:
    for prefix, (field, _, part, joint) in JOINTS.items():
        if field not in face_model.rotations:
            continue
        for angle, turn in ANGLES.items():
            name = _name_angle(prefix, angle)
            effect = "opens the jaw" if name == OPEN_JAW else f"turns the {joint} {turn}"
            yield name, Control(effect=effect, low=-LARGEST_ANGLE, high=LARGEST_ANGLE, unit="degrees", part=part)


def _name_angle(prefix: str, angle: str) -> str:
    return OPEN_JAW if (prefix, angle) == ("jaw_", "pitch") else prefix + angle


def _list_camera(face_model: FaceModel) -> Iterator[tuple[str, Control]]:
    """Controls of the camera: sizes from a tenth of the usual one to ten times it, and places of the same reach.

    A face of a tenth of the usual size still reaches the edge of the picture.
    """
    camera = face_model.default_camera()
    usual = dict(zip(CAMERA_KEYS[len(camera)], camera.tolist(), strict=True))
    # half of the picture in the unit of a translation: of the model's space in front of either camera
    half = 1 / usual["scale"] if "scale" in usual else abs(usual["tz"]) / usual["fx"]
    for name, value in usual.items():
        if name in ("scale", "fx", "fy", "tz"):
            low, high = sorted((value / MOST_ZOOM, value * MOST_ZOOM))
        else:
            reach = MOST_ZOOM * (1.0 if name in ("cx", "cy") else half)
            low, high = value - reach, value + reach
        yield name, Control(effect=_CAMERA_EFFECTS[name], low=low, high=high, part="camera")


_CAMERA_EFFECTS = {
    "scale": "makes the face larger",
    "fx": "makes the face wider",
    "fy": "makes the face higher",
    "cx": "moves the picture to the right",
    "cy": "moves the picture downwards",
    "tx": "moves the face to the right",
    "ty": "moves the face upwards",
    "tz": "moves the face towards the camera",
}


def _list_coefficients(face_model: FaceModel) -> Iterator[tuple[str, Control]]:
    for family in COEFFICIENTS:
        control = _limit_coefficients(family, face_model)
        for name in _name_coefficients(family, face_model):
            yield name, control


def _limit_coefficients(family: str, face_model: FaceModel) -> Control:
    """Return the control of every coefficient of a family."""
    if family == "shape":
        effect, unit = "changes the identity", "standard deviations"
        return Control(effect=effect, low=-MOST_DEVIATIONS, high=MOST_DEVIATIONS, unit=unit)
    most = max(map(abs, face_model.expression_range)) * MOST_EXAGGERATION
    most = most if math.isfinite(most) else MOST_DEVIATIONS
    return Control(effect="changes the expression", low=-most, high=most, part="expression")


def _name_coefficients(family: str, face_model: FaceModel) -> list[str]:
    names, count = {
        "shape": (face_model.shape_names, face_model.num_shape),
        "expression": (face_model.expression_names, face_model.num_expression),
    }[family]
    return [f"{family}.{key}" for key in names or range(count)]


def set_parameter(params: FaceParams, name: str, value: float, face_model: FaceModel, method: str) -> FaceParams:
    """Face parameters with one control set; the rest stays.

    Angles are extrinsic y, x, z Euler angles in degrees; the other two of the joint keep their values.

    Args:
        params: Of any leading dimensions.
        name: Name of `list_parameter_controls`, or `shape.NUMBER`, `expression.NUMBER`.
        value: The value, in the unit of the control.
        face_model: The model of the parameters.
        method: Name of the method, for messages.

    Raises:
        ControlError: if there is no such control, or the value is out of its range.
    """
    family, _, key = name.partition(".")
    if family in COEFFICIENTS and key:
        coefficients = getattr(params, COEFFICIENTS[family]).clone()
        index = _find_coefficient(family, key, coefficients.shape[-1], face_model)
        check_value(name, _limit_coefficients(family, face_model), value)
        coefficients[..., index] = value
        return replace(params, **{COEFFICIENTS[family]: coefficients})
    check_value(name, find_control(name, list_parameter_controls(face_model), method), value)
    cameras = CAMERA_KEYS[params.camera.shape[-1]]
    if name in cameras:
        camera = params.camera.clone()
        camera[..., cameras.index(name)] = value
        return replace(params, camera=camera)
    return _set_angle(params, name, value)


def _find_coefficient(family: str, key: str, count: int, face_model: FaceModel) -> int:
    """Return the place of one of `count` coefficients by its name or number.

    Raises:
        ControlError: if there is none.
    """
    names = {"shape": face_model.shape_names, "expression": face_model.expression_names}[family]
    if key in names:
        return names.index(key)
    if key.isdecimal() and int(key) < count:
        return int(key)
    also = f", or one of {', '.join(get_close_matches(key, names, 5, 0.4) or names)}" if names else ""
    raise ControlError(f"{family}.{key}", f": no coefficient {key!r}; use a number from 0 to {count - 1}{also}")


_ANGLE_PLACES = {
    _name_angle(prefix, angle): (field, slice(start, start + 3), index)
    for prefix, (field, start, _, _) in JOINTS.items()
    for index, angle in enumerate(ANGLES)
}
"""Name of an angle -> field, place of the joint in the field, number of the angle."""


def _set_angle(params: FaceParams, name: str, value: float) -> FaceParams:
    field, place, index = _ANGLE_PLACES[name]
    rotations = getattr(params, field).clone()
    angles = axis_angle_to_euler(rotations[..., place])
    angles[..., index] = math.radians(value)
    rotations[..., place] = euler_to_axis_angle(angles)
    return replace(params, **{field: rotations})


def blend_parameters(first: FaceParams, second: FaceParams, weight: float) -> FaceParams:
    """The face parameters between two: rotations along the shortest arc, the rest in a straight line.

    Args:
        first: Result at weight 0, to the bit; its texture and light stay.
        second: Result at weight 1, to the bit.
        weight: In [0, 1].
    """
    if weight in (0, 1):
        return second if weight else first
    return replace(
        first,
        shape=torch.lerp(first.shape, second.shape, weight),
        expression=torch.lerp(first.expression, second.expression, weight),
        camera=torch.lerp(first.camera, second.camera, weight),
        global_pose=_blend_rotations(first.global_pose, second.global_pose, weight),
        neck_pose=_blend_rotations(first.neck_pose, second.neck_pose, weight),
        jaw_pose=_blend_rotations(first.jaw_pose, second.jaw_pose, weight),
        eye_pose=_blend_rotations(first.eye_pose, second.eye_pose, weight),
    )


def _blend_rotations(first: Tensor, second: Tensor, weight: float) -> Tensor:
    start, end = (axis_angle_to_matrix(pose.reshape(*pose.shape[:-1], -1, 3)) for pose in (first, second))
    step = axis_angle_to_matrix(weight * matrix_to_axis_angle(end @ start.mT))
    return matrix_to_axis_angle(step @ start).flatten(-2)
