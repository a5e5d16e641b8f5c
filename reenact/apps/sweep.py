"""Sweeps: a control over a range, `NAME:START:STOP:COUNT`, or a turn of the head, `orbit:YAW:PITCH:COUNT`."""

from __future__ import annotations

import math
from dataclasses import dataclass

from reenact.apps.edit_names import Edit, name_control, parse_number
from reenact.errors import ReenactError

ORBIT = "orbit"
"""Name of the sweep that turns the head on an ellipse of yaw and pitch."""
SHORT_NAMES = {"expression": "expression.from"}
"""Names of controls that need no key in a sweep."""

MOST_STEPS = 1000
"""Limit of the pictures of a sweep, which a grid shows all at once."""


@dataclass(frozen=True)
class SweepStep:
    """Edits of one picture of a sweep, and its label in a grid."""

    edits: tuple[Edit, ...]
    label: str


def parse_sweep(text: str) -> list[SweepStep]:
    """Read `yaw:-30:30:9`, `exp.0:-2:2:5`, `cam.scale:5:9:5` or another control, or `orbit:30:15:12`.

    An orbit starts at yaw 0 and pitch PITCH and ends one step before that place, so that its video loops.

    Raises:
        ReenactError: if the text has another form.
    """
    parts = text.split(":")
    if len(parts) != 4 or not all(parts) or parts[0].endswith("."):
        raise ReenactError(f"--sweep {text}: write NAME:START:STOP:COUNT, as in yaw:-30:30:9, or orbit:YAW:PITCH:COUNT")
    name, first, second, count = parts
    if not count.isdecimal() or not 2 <= int(count) <= MOST_STEPS:
        raise ReenactError(f"--sweep {text}: COUNT is a whole number from 2 to {MOST_STEPS}, not {count!r}")
    numbers = parse_number(first, f"--sweep {text}"), parse_number(second, f"--sweep {text}")
    if name == ORBIT:
        return _turn_head(*numbers, int(count))
    return _step_control(name, *numbers, int(count))


def _step_control(name: str, start: float, stop: float, count: int) -> list[SweepStep]:
    """Evenly spaced values of a control, both ends included."""
    control, step = SHORT_NAMES.get(name, name_control(name)), (stop - start) / (count - 1)
    values = [start + number * step for number in range(count)]
    return [SweepStep((Edit(control, value, f"--sweep {name}"),), f"{name} {value:g}") for value in values]


def _turn_head(yaw: float, pitch: float, count: int) -> list[SweepStep]:
    """Evenly spaced places of an ellipse with the half axes `yaw` and `pitch` in degrees."""
    steps = []
    for number in range(count):
        angle = 2 * math.pi * number / count
        values = {"yaw": yaw * math.sin(angle), "pitch": pitch * math.cos(angle)}
        edits = tuple(Edit(control, value, f"--sweep {ORBIT}: {control}") for control, value in values.items())
        steps.append(SweepStep(edits, " ".join(f"{control} {round(value, 1):g}" for control, value in values.items())))
    return steps
