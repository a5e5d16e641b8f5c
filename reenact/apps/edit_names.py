"""Names of controls as people write them: in items of `--set`, in scripts and in sweeps."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from reenact.apps.edit_options import COMMON_CONTROLS
from reenact.errors import ReenactError

FAMILIES = {
    "shape": "shape.",
    "exp": "expression.",
    "expression": "expression.",
    "global_pose": "",
    "neck_pose": "neck_",
    "jaw_pose": "jaw_",
    "leye_pose": "left_eye_",
    "reye_pose": "right_eye_",
    "cam": "",
}
"""Names that a key follows, in the words of GDPW's editing demo -> beginning of the control's name."""
RENAMED = {"jaw_pitch": "jaw_open"}
"""Composed name -> name of the control."""


@dataclass(frozen=True)
class Edit:
    """A control and the value that it is set to; angles in degrees, others in the unit of the control."""

    control: str
    value: float
    typed: str = field(default="", compare=False)
    """Option or words of a script that ask for it, for messages."""


def name_control(name: str, key: str = "") -> str:
    """Name of the control that a name, or a name and its key, stand for: `jaw_open` of `jaw_pose` and `pitch`."""
    name = name.replace("-", "_")
    if not key:
        name, _, key = name.partition(".")
    if not key:
        return name
    prefix = FAMILIES.get(name)
    control = f"{name}.{key}" if prefix is None else f"{prefix}{key}"
    return RENAMED.get(control, control)


def is_common(name: str) -> bool:
    """Tell if the name of a control is one that most methods know, or has no family that could be a method's own."""
    return "." not in name or any(name.startswith(prefix) for prefix in FAMILIES.values() if prefix.endswith("."))


def list_common_names() -> list[str]:
    """Names that most methods know: controls, and names that a key follows."""
    return [*COMMON_CONTROLS, *FAMILIES]


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
