"""Controls of motions: numbers that people set by name, with their ranges and units."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import groupby
from typing import Any, TypeVar

import torch
from torch import Tensor

from reenact.errors import ReenactError, suggest_names
from reenact.faces.fields import TensorFields

Motion = TypeVar("Motion", bound=TensorFields)

EXAMPLE = "example"
"""Requirement of controls that read the motion of another picture, `SourceState.example`."""


@dataclass(frozen=True, kw_only=True)
class Control:
    """A number of a motion that people set by name."""

    effect: str
    """Change of the picture with a rising value, in a few words."""
    low: float
    """Lowest value."""
    high: float
    """Highest value."""
    unit: str = ""
    """Unit of the value; empty for a plain number."""
    part: str = ""
    """Part that it changes, of `Reenactor.parts`; empty for the identity, which no driving face gives."""
    limited: bool = True
    """False where the range is an example, and values outside of it are taken too."""
    whole: bool = False
    """True where values are whole numbers."""
    trusted: float = math.inf
    """Largest value on either side with which the method can be expected to draw a face; `edit` warns beyond it."""
    requires: str = ""
    """Input that it reads: `EXAMPLE`, or a name of `Method.control_files`; empty for none."""


class ControlError(ReenactError):
    """Refusal of a control; `reason` is the sentence after its name, with the `:` or space between them."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}{reason}")
        self.reason = reason


def find_control(name: str, controls: Mapping[str, Control], method: str) -> Control:
    """Return the control of a name.

    Raises:
        ControlError: names the controls that the method has where it lacks this one.
    """
    if name in controls:
        return controls[name]
    if not controls:
        raise ControlError(name, f": {method} has no controls, since its motion moves as one; choose another method")
    near = suggest_names(name, list(controls))
    advice = f"; {near}" if near.startswith("did you mean") else ""
    raise ControlError(name, f": {method} has no such control{advice}; it has {', '.join(list_families(controls))}")


def check_value(name: str, control: Control, value: float) -> None:
    """Hold a value against the range of its control.

    Raises:
        ControlError: if the value is outside of a limited range, or no whole number where one is needed.
    """
    if control.whole and (value < 0 or value != int(value)):
        raise ControlError(name, f" {value:g}: give a whole number from 0 on")
    if control.limited and not control.low <= value <= control.high:
        raise ControlError(name, f" {value:g} is out of range: give {control.low:g} to {control.high:g}")


def list_families(names: Sequence[str] | Mapping[str, Control]) -> list[str]:
    """Names of controls, those of one family together: `yaw`, `shape.0 to shape.79`, `expression.{smile, frown}`."""
    families = []
    for family, members in groupby(names, lambda name: name.partition(".")[0] if "." in name else ""):
        group = list(members)
        keys = [name.partition(".")[2] for name in group]
        if not family or len(group) == 1:
            families += group
        elif keys == [str(number) for number in range(len(keys))]:
            families.append(f"{group[0]} to {group[-1]}")
        else:
            families.append(f"{family}.{{{', '.join(keys)}}}")
    return families


def blend_fields(first: Motion, second: Motion, weight: float) -> Motion:
    """The motion between two: every tensor of real numbers in a straight line, nested ones included.

    Args:
        first: Result at weight 0, to the bit; its other fields stay.
        second: Result at weight 1, to the bit.
        weight: In [0, 1].
    """
    if weight in (0, 1):
        return second if weight else first
    changes: dict[str, Any] = {}
    for item in fields(first):
        start, end = getattr(first, item.name), getattr(second, item.name)
        if isinstance(start, TensorFields):
            changes[item.name] = blend_fields(start, end, weight)
        elif isinstance(start, tuple):
            changes[item.name] = tuple(_blend_tensors(*pair, weight) for pair in zip(start, end, strict=True))
        elif isinstance(start, Tensor):
            changes[item.name] = _blend_tensors(start, end, weight)
    return replace(first, **changes)


def _blend_tensors(start: Tensor, end: Tensor, weight: float) -> Tensor:
    return torch.lerp(start, end, weight) if start.is_floating_point() else start


def take_fields(motion: TensorFields, other: TensorFields, names: Collection[str]) -> TensorFields:
    """The motion with the fields of some names, also nested ones, of another whose batch is 1."""
    changes: dict[str, Any] = {}
    for item in fields(motion):
        value, replacement = getattr(motion, item.name), getattr(other, item.name)
        if item.name in names:
            changes[item.name] = replacement.expand_as(value)
        elif isinstance(value, TensorFields):
            changes[item.name] = take_fields(value, replacement, names)
    return replace(motion, **changes)
