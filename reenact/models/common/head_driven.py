"""Base of the methods whose heads move by keypoints with rotation, place and expression apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from reenact.faces.fields import TensorFields
from reenact.faces.rotation import axis_angle_to_matrix, matrix_to_axis_angle
from reenact.models.common.base import Motion, Reenactor, State
from reenact.models.common.controls import EXAMPLE, Control, ControlError, blend_fields, check_value, find_control
from reenact.nn.euler import AnyComposition, angles_of, rotation_of

ANGLES = ("yaw", "pitch", "roll")
LARGEST_ANGLE = 90.0
"""Degrees up to which yaw, pitch and roll are distinct."""
PLACES = {"tx": "moves the face to the right", "ty": "moves the face downwards"}
"""Entries of the translation in order, in units of half the picture."""
EXPRESSION_WEIGHT = "expression.from"
"""Control of the way from the source's expression to that of the example."""


_CONTROLS = {
    **{
        angle: Control(
            effect=f"turns the head by its {angle}",
            low=-LARGEST_ANGLE,
            high=LARGEST_ANGLE,
            unit="degrees",
            part="pose",
        )
        for angle in ANGLES
    },
    "scale": Control(effect="makes the face larger", low=0.1, high=10.0, part="scale"),
    **{
        name: Control(effect=effect, low=-1.0, high=1.0, unit="half a picture", part="translation")
        for name, effect in PLACES.items()
    },
    EXPRESSION_WEIGHT: Control(
        effect="goes from the source's expression to that of another picture",
        low=0.0,
        high=1.0,
        part="expression",
        requires=EXAMPLE,
    ),
}


class HeadDriven(Reenactor[State, Motion]):
    """Controls of a method whose motion is a rotation, a translation and, as its `parts` say, scale and expression.

    The motion has the fields `rotation` (..., 3, 3) and `translation` (..., 2 or 3), right and down in units of half
    the picture. `parts` names the field of the expression, before any other of that part, and has `scale` where the
    motion has a field `scale` (..., 1). Angles are those of the method's pose network, in degrees and with its signs.
    """

    composition: AnyComposition = "pitch-yaw-roll"
    """The angles that rotations are composed of."""

    def controls(self) -> Mapping[str, Control]:
        """Angles and place of the head, and scale and expression where the motion has them."""
        return {name: control for name, control in _CONTROLS.items() if control.part in self.parts}

    def set_control(self, state: State, motion: Motion, name: str, value: float) -> Motion:
        """Set an angle, a place, the scale or the expression; values out of range are refused, never clamped."""
        check_value(name, find_control(name, self.controls(), type(self).__name__), value)
        if name in ANGLES:
            angles = angles_of(_field(motion, "rotation"), self.composition)
            angles[..., ANGLES.index(name)] = value
            return replace(motion, **{"rotation": rotation_of(angles, self.composition)})
        if name in PLACES:
            place = _field(motion, "translation").clone()
            place[..., list(PLACES).index(name)] = value
            return replace(motion, **{"translation": place})
        if name == "scale":
            return replace(motion, **{"scale": torch.full_like(_field(motion, "scale"), value)})
        return self.set_expression(state, motion, name, value)

    def set_expression(self, state: State, motion: Motion, name: str, value: float) -> Motion:
        """Set a control of the family `expression`.

        Raises:
            ControlError: if the state has no example to take an expression from.
        """
        field, *_ = self.parts["expression"]
        if state.example is None:
            raise ControlError(name, ": no other picture is known; give it with --expression-from")
        source, example = _field(state.motion, field), _field(state.example, field)
        return replace(motion, **{field: self.mix_expressions(source, example, value).expand_as(_field(motion, field))})

    def mix_expressions(self, source: Tensor, example: Tensor, weight: float) -> Tensor:
        """Expressions at a weight, 0 to 1, on the way from the source's to the example's, in a straight line."""
        return torch.lerp(source, example, weight)

    def blend_motions(self, first: Motion, second: Motion, weight: float) -> Motion:
        """The motion between two: the rotation along the shortest arc, the rest in a straight line."""
        blended = blend_fields(first, second, weight)
        if weight in (0, 1):
            return blended
        start, end = _field(first, "rotation"), _field(second, "rotation")
        step = weight * matrix_to_axis_angle(end @ start.mT)
        return replace(blended, **{"rotation": axis_angle_to_matrix(step) @ start})


def _field(motion: TensorFields, name: str) -> Any:  # noqa: ANN401 - a tensor of a motion whose type is a variable
    return getattr(motion, name)
