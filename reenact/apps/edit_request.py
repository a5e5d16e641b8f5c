"""Requests of `reenact edit`: the items of `--set`, the script and the sweep, read before any network is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

from reenact.apps.edit_names import Edit, is_common, name_control, parse_number
from reenact.apps.edit_options import Neutral, Settings
from reenact.apps.edit_script import Frames, Step, parse_script
from reenact.apps.sweep import SweepStep, parse_sweep
from reenact.errors import ReenactError, suggest_names
from reenact.media.media_kinds import check_input, is_picture
from reenact.methods.registry import list_control_files

FRONTAL_ANGLES = ("yaw", "pitch", "roll")
"""Controls that `frontalize` sets to 0."""
FLAGS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
INPUTS = ("neutral", "frontalize", "pose_from", "example")
"""Items of `--set` that are no controls, beside the files of controls."""
RANDOM_EXPRESSION = "expression.sample"


@dataclass(frozen=True, kw_only=True)
class EditRequest:
    """Everything that changes the face, in the order in which it does."""

    neutral: Neutral | None
    """Face without an expression to begin with."""
    pose_from: Path | None
    """Picture whose head pose, place and size are taken."""
    example: Path | None
    """Picture whose motion some controls go towards."""
    files: Mapping[str, Path]
    """Files that controls read, by the names of `Method.control_files`."""
    others: Mapping[str, str]
    """Items whose names are those of one method: its own controls, or settings of its network."""
    edits: tuple[Edit, ...]
    steps: tuple[Step, ...]
    """Steps of the script."""
    sweep: tuple[SweepStep, ...]

    def with_edits(self, edits: tuple[Edit, ...]) -> EditRequest:
        """The request with other edits before its own."""
        return replace(self, edits=(*edits, *self.edits))

    def list_inputs(self) -> dict[str, object]:
        """Everything that changes the face, by name; files as paths."""
        values = {"neutral": self.neutral, "others": self.others, "edits": self.edits}
        steps = {"steps": self.steps, "sweep": self.sweep}
        return {**values, **steps, "pose_from": self.pose_from, "example": self.example, **self.files}

    def sets_family(self, family: str) -> bool:
        """Tell if any edit sets a control of a family such as `expression`."""
        return any(edit.control.startswith(f"{family}.") for edit in self.list_edits())

    def count_frames(self) -> int:
        """Count the frames of the result: those of the sweep, or of the script, which without `frames` has one."""
        return len(self.sweep) or sum(step.count for step in self.steps if isinstance(step, Frames)) or 1

    def list_edits(self) -> list[Edit]:
        """All edits: those of the options, of the sweep and of the script."""
        edits = [*self.edits, *(edit for step in self.sweep for edit in step.edits)]
        return edits + [step for step in self.steps if isinstance(step, Edit)]


def parse_request(settings: Settings, script: Path | None, sweep: str | None) -> EditRequest:
    """Read the changes that options ask for.

    Args:
        settings: Items of `--set`: controls and their numbers, and `neutral`, `frontalize`, `pose_from`, `example` and
            the files of controls.
        script: File of edits.
        sweep: Sweep as the option spells it.

    Raises:
        ReenactError: if an item, the script or the sweep is malformed, or two of them contradict each other.
    """
    if script is not None and sweep is not None:
        raise ReenactError("--script and --sweep cannot be given together; write the sweep into the script with frames")
    items = split_items(settings)
    files = list_control_files()
    inputs = {name: value for name, value in items if name in {*INPUTS, *files}}
    others = {name: value for name, value in items if name not in inputs and not is_common(name)}
    edits = [parse_edit(name, value) for name, value in items if name not in {**inputs, **others}]
    if _parse_flag(inputs.get("frontalize", "false")):
        edits = [Edit(angle, 0.0, "--set frontalize") for angle in FRONTAL_ANGLES] + edits
        if "pose_from" in inputs:
            raise ReenactError(
                "--set pose_from and --set frontalize: give one, a picture's head pose or that of a front view"
            )
    request = EditRequest(
        neutral=_parse_neutral(inputs.get("neutral")),
        pose_from=_open_picture("pose_from", inputs),
        example=_open_picture("example", inputs),
        files={name: Path(inputs[name]) for name in inputs if name in files},
        others=others,
        edits=tuple(edits),
        steps=tuple(parse_script(_read_script(script), str(script))) if script else (),
        sweep=tuple(parse_sweep(sweep)) if sweep else (),
    )
    _check_expressions(request)
    return request


def split_items(settings: Settings) -> list[tuple[str, str]]:
    """Names of controls and inputs, and their values as text.

    Raises:
        ReenactError: if a text is not `NAME=VALUE`.
    """
    if isinstance(settings, Mapping):
        return [(name_control(str(name)), str(value)) for name, value in settings.items()]
    items = []
    for item in [settings] if isinstance(settings, str) else settings:
        name, equals, value = str(item).partition("=")
        if not equals or not name.strip():
            raise ReenactError(f"--set {item}: write NAME=VALUE, as in yaw=20")
        items.append((name_control(name.strip()), value.strip()))
    return items


def parse_edit(name: str, value: str) -> Edit:
    """Read an item that sets a control; raises `ReenactError` if the value is no number."""
    return Edit(name, parse_number(value, f"--set {name}"), f"--set {name}")


def _parse_flag(text: str) -> bool:
    if text.lower() not in FLAGS:
        raise ReenactError(f"--set frontalize: {text!r} is neither true nor false")
    return FLAGS[text.lower()]


def _parse_neutral(text: str | None) -> Neutral | None:
    for choice in get_args(Neutral):
        if text == choice:
            neutral: Neutral = choice
            return neutral
    if text is None:
        return None
    raise ReenactError(f"--set neutral: {text!r} is no such face; {suggest_names(text, list(get_args(Neutral)))}")


def _open_picture(name: str, inputs: Mapping[str, str]) -> Path | None:
    if name not in inputs:
        return None
    path = Path(inputs[name])
    check_picture(path, f"--set {name}")
    return path


def check_picture(path: Path, option: str) -> None:
    """Refuse an input that is no picture; raises `ReenactError`."""
    check_input(path, option)
    if not is_picture(path):
        raise ReenactError(f"{option} {path} is a video; edit takes a picture")


def _check_expressions(request: EditRequest) -> None:
    """Refuse two origins of the expression of one face."""
    if request.example and any(edit.control == RANDOM_EXPRESSION for edit in request.edits):
        raise ReenactError(
            f"--set example and --set {RANDOM_EXPRESSION}: give one, a picture's expression or a random one"
        )
    if request.neutral == "canonical" and (request.example or request.sets_family("expression")):
        raise ReenactError("--set neutral: canonical is a face without an expression: omit it, or the expression")


def _read_script(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ReenactError(f"--script {path} can't be read as text; give a file of edits") from error
