"""Sweeps: one control from a value to another, written `NAME:START:STOP:COUNT`."""

from __future__ import annotations

from dataclasses import dataclass

from reenact.apps.edit_script import Edit, parse_number
from reenact.errors import ReenactError

SHORT_NAMES = {
    "yaw": ("global_pose", "yaw"),
    "pitch": ("global_pose", "pitch"),
    "roll": ("global_pose", "roll"),
    "jaw": ("jaw_pose", "pitch"),
    "expression": ("exp", "from"),
}
"""Controls that need no key."""


@dataclass(frozen=True)
class Sweep:
    """Evenly spaced values of one control."""

    name: str
    key: str
    start: float
    stop: float
    count: int

    def edits(self) -> list[Edit]:
        """One edit per value, both ends included."""
        step = (self.stop - self.start) / (self.count - 1)
        return [Edit(self.name, self.key, self.start + i * step) for i in range(self.count)]

    def labels(self) -> list[str]:
        """The words over each picture of a grid."""
        return [f"{self.name} {self.key} {edit.value:g}" for edit in self.edits()]


def parse_sweep(text: str) -> Sweep:
    """Read `yaw:-30:30:9` or, for any other control of an edit script, `exp.0:-2:2:5` or `cam.scale:5:9:5`.

    Raises:
        ReenactError: if the text has another form.
    """
    words = text.split(":")
    if len(words) != 4:
        raise ReenactError(f"--sweep {text}: write NAME:START:STOP:COUNT, as in yaw:-30:30:9")
    name, start, stop, count = words
    if not count.isdigit() or int(count) < 2:
        raise ReenactError(f"--sweep {text}: COUNT is a whole number from 2 on, not {count!r}")
    target, _, key = name.partition(".")
    if not key:
        if target not in SHORT_NAMES:
            raise ReenactError(
                f"--sweep {text}: unknown control {name!r}; use {', '.join(SHORT_NAMES)} or NAME.KEY as in exp.0"
            )
        target, key = SHORT_NAMES[target]
    low, high = (parse_number(word, f"--sweep {text}") for word in (start, stop))
    return Sweep(target, key, low, high, int(count))
