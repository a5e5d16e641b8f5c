"""The small language of face edits.

A script is pairs `name value`, by the names of a method's controls, and triplets `name key value`, in the words of
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

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias

from reenact.apps.edit_names import FAMILIES, Edit, list_common_names, name_control, parse_number
from reenact.errors import ReenactError
from reenact.models.common.base import Motion, Reenactor, State
from reenact.models.common.controls import ControlError, check_value


@dataclass(frozen=True)
class Reset:
    """Go back to the source's own motion."""


@dataclass(frozen=True)
class Frames:
    """Move from the face of the last `frames` to the present one in so many frames."""

    count: int


Step: TypeAlias = "Edit | Reset | Frames"


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
    key = None
    if name in FAMILIES:
        key = next(tokens, None)
    value = next(tokens, None)
    if name in FAMILIES and (key is None or value is None):
        raise ReenactError(f"{place}: {name!r} needs a key and a value, as in `global_pose yaw 15`")
    if value is None:
        raise ReenactError(f"{place}: {name!r} needs a value, as in `yaw 15`")
    typed = f"{place}: {name} {key}" if key else f"{place}: {name}"
    try:
        return Edit(name_control(name, key or ""), parse_number(value, typed), typed)
    except ReenactError as error:
        common = list_common_names()
        if "." in name or name_control(name) in common:
            raise
        words_of_scripts = ", ".join((*common, "reset", "frames"))
        raise ReenactError(f"{place}: unknown name {name!r}; use one of {words_of_scripts}") from error


def apply_edit(network: Reenactor[State, Motion], state: State, motion: Motion, edit: Edit) -> Motion:
    """The motion with one control set.

    Raises:
        ReenactError: if the method has no such control, or refuses the value; the message begins as it was typed.
    """
    with _name_typed(edit):
        return network.set_control(state, motion, edit.control, edit.value)


def check_edits(network: Reenactor[State, Motion], edits: Sequence[Edit]) -> None:
    """Hold values against the ranges of the controls that a method lists.

    Raises:
        ReenactError: if a value is out of its range; the message begins as it was typed.
    """
    controls = network.controls()
    for edit in edits:
        if edit.control in controls:
            with _name_typed(edit):
                check_value(edit.control, controls[edit.control], edit.value)


def list_doubtful_edits(network: Reenactor[State, Motion], edits: Sequence[Edit]) -> list[str]:
    """One sentence for each control that is set beyond the values that its method can be trusted with."""
    sentences = {}
    for name, control in network.controls().items():
        most = max((abs(edit.value) for edit in edits if edit.control == name), default=0.0)
        if most > control.trusted:
            sentences[name] = (
                f"{name} {most:g} is beyond {control.trusted:g} {control.unit}, where {type(network).__name__} has to"
                " guess: do not trust these views"
            )
    return list(sentences.values())


@contextmanager
def _name_typed(edit: Edit) -> Iterator[None]:
    """Begin the message of a refusal as the edit was typed."""
    try:
        yield
    except ControlError as error:
        raise ReenactError(f"{edit.typed or edit.control}{error.reason}") from error


def run_script(
    network: Reenactor[State, Motion], state: State, steps: Sequence[Step], source: Motion, start: Motion
) -> list[Motion]:
    """The motions (batch 1 each) that a script asks for: its `frames` in order, or one where it has none.

    Args:
        network: The method.
        state: The source, as of `Reenactor.set_control`.
        steps: The script.
        source: The source's own motion, to which `reset` goes back.
        start: The face that the script begins with.

    Raises:
        ReenactError: as `apply_edit`.
    """
    current = keyframe = start
    frames: list[Motion] = []
    for step in steps:
        if isinstance(step, Edit):
            current = apply_edit(network, state, current, step)
        elif isinstance(step, Reset):
            current = source
        else:
            frames += [network.blend_motions(keyframe, current, (i + 1) / step.count) for i in range(step.count)]
            keyframe = current
    return frames or [current]
