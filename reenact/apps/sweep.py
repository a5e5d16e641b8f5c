"""Sweeps: one control from a value to another, written `NAME:START:STOP:COUNT`."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

from reenact.apps.edit_script import CONTROLS, NAMES, Edit, parse_number
from reenact.errors import ReenactError

SHORT_NAMES = {**CONTROLS, "expression": ("exp", "from")}
"""Controls of a sweep that need no key."""


@dataclass(frozen=True)
class Sweep:
    """Evenly spaced values of one control."""

    control: str
    """Name of the control as the sweep spells it."""
    name: str
    key: str
    start: float
    stop: float
    count: int

    def edits(self) -> list[Edit]:
        """One edit per value, both ends included."""
        step = (self.stop - self.start) / (self.count - 1)
        typed = f"--sweep {self.control}"
        return [Edit(self.name, self.key, self.start + i * step, typed) for i in range(self.count)]

    def labels(self) -> list[str]:
        """The words over each picture of a grid."""
        return [f"{self.control} {edit.value:g}" for edit in self.edits()]


def parse_sweep(text: str) -> Sweep:
    """Read `yaw:-30:30:9` or, for any other control of an edit script, `exp.0:-2:2:5` or `cam.scale:5:9:5`.

    Raises:
        ReenactError: if the text has another form.
    """
    parts = text.split(":")
    if len(parts) != 4:
        raise ReenactError(f"--sweep {text}: write NAME:START:STOP:COUNT, as in yaw:-30:30:9")
    name, start, stop, count = parts
    if not count.isdigit() or int(count) < 2:
        raise ReenactError(f"--sweep {text}: COUNT is a whole number from 2 on, not {count!r}")
    target, key = _parse_control(name, text)
    low, high = (parse_number(word, f"--sweep {text}") for word in (start, stop))
    return Sweep(name, target, key, low, high, int(count))


def _parse_control(name: str, text: str) -> tuple[str, str]:
    """Name and key in a script of `yaw`, `exp.0` or `expression.0`."""
    if name in SHORT_NAMES:
        return SHORT_NAMES[name]
    target, dot, key = name.partition(".")
    if dot and key and target in NAMES:
        return NAMES[target], key
    near = get_close_matches(name, SHORT_NAMES, 3)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    raise ReenactError(
        f"--sweep {text}: unknown control {name!r}; use {', '.join(SHORT_NAMES)}, or NAME.KEY with a NAME of"
        f" {', '.join(NAMES)}, as in exp.0{hint}"
    )
