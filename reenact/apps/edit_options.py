"""Options of `reenact edit` that spell controls, and options of its output.

Help pages list them, so that nothing here imports torch. `edit` itself knows controls by their names alone; this table
gives the usual ones an option each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from reenact.choices import Precision
from reenact.errors import ReenactError
from reenact.methods.registry import list_control_files

Settings = Mapping[str, object] | Sequence[str]
"""Items of `--set`: names and their values, or texts `NAME=VALUE`."""
Neutral = Literal["expression", "canonical"]
"""Faces without an expression."""


@dataclass(frozen=True, kw_only=True)
class EditOption:
    """An option that spells an item of `--set`."""

    item: str
    """Name of the item; of `coefficients` the family, whose numbers or names the option's values begin with."""
    kind: Literal["number", "whole", "path", "flag", "choice", "coefficients"]
    """Form of the option's value."""
    help: str
    """Line of the help page."""
    choices: tuple[str, ...] = ()
    """Words of a `choice`."""


def _number(item: str, text: str) -> EditOption:
    return EditOption(item=item, kind="number", help=text)


_OPTIONS = {
    "frontalize": EditOption(item="frontalize", kind="flag", help="turn the head to the camera before anything else"),
    "yaw": _number("yaw", "head angle in degrees, to the subject's left"),
    "pitch": _number("pitch", "head angle in degrees, downwards"),
    "roll": _number("roll", "head angle in degrees, counter-clockwise in the picture"),
    "jaw_open": _number("jaw_open", "jaw angle in degrees, open"),
    "jaw_yaw": _number("jaw_yaw", "jaw angle in degrees, to the subject's left"),
    "jaw_roll": _number("jaw_roll", "jaw angle in degrees, counter-clockwise"),
    "left_eye_yaw": _number("left_eye_yaw", "gaze of the subject's left eye in degrees, to the subject's left"),
    "left_eye_pitch": _number("left_eye_pitch", "gaze of the subject's left eye in degrees, downwards"),
    "right_eye_yaw": _number("right_eye_yaw", "gaze of the subject's right eye in degrees, to the subject's left"),
    "right_eye_pitch": _number("right_eye_pitch", "gaze of the subject's right eye in degrees, downwards"),
    "scale": _number("scale", "size of the face, the camera's scale; for keypoints the factor f"),
    "tx": _number(
        "tx", "place of the face to the right, in the face model's unit; for keypoints half the picture is 1"
    ),
    "ty": _number("ty", "place of the face upwards, in the face model's unit; for keypoints downwards"),
    "shape": EditOption(item="shape", kind="coefficients", help="identity coefficients as NUMBER=VALUE"),
    "expression": EditOption(
        item="expression",
        kind="coefficients",
        help="expression coefficients as NUMBER=VALUE or, where the face model names them, NAME=VALUE",
    ),
    "expression_from": EditOption(
        item="example", kind="path", help="picture whose expression is taken, for methods driven by keypoints"
    ),
    "expression_weight": _number(
        "expression.from", "how far from the source's expression, 0, to that of the picture, 1 (default: 1)"
    ),
    "expression_sample": EditOption(
        item="expression.sample", kind="whole", help="number of a random expression, in place of a picture's"
    ),
    "pose_from": EditOption(
        item="pose_from",
        kind="path",
        help="picture whose head pose, place and size are taken before anything else; the expression stays",
    ),
    "neutral": EditOption(
        item="neutral",
        kind="choice",
        choices=get_args(Neutral),
        help="begin with a face without an expression: expression sets its numbers to 0, with the jaw closed and the"
        " eyes straight; canonical, for methods of canonical keypoints, draws these as they are, in front view",
    ),
}
COMMON_CONTROLS = tuple(
    option.item for option in _OPTIONS.values() if option.kind == "number" and "." not in option.item
)
"""Controls that have an option of their own."""


def list_edit_options() -> dict[str, EditOption]:
    """Options, with `_` in their names: those of the table, and one for each file that controls of a method read."""
    files = {name: EditOption(item=name, kind="path", help=file.content) for name, file in list_control_files().items()}
    return {**_OPTIONS, **files}


def spell_items(option: str, value: object) -> list[str]:
    """Items `NAME=VALUE` that an option of the table stands for.

    Raises:
        ReenactError: if coefficients have another form.
    """
    spelling = list_edit_options()[option]
    if spelling.kind != "coefficients":
        return [f"{spelling.item}={value}"]
    assert isinstance(value, Sequence)
    pairs = [str(pair).partition("=") for pair in value]
    for pair, (key, equals, _) in zip(value, pairs, strict=True):
        if not equals or not key.strip():
            raise ReenactError(f"--{option} {pair}: write NUMBER=VALUE, as in 0=1.5")
    return [f"{spelling.item}.{key.strip()}={number}" for key, _, number in pairs]


@dataclass(frozen=True, kw_only=True)
class EditOptions:
    """Options of the output of `edit`, and the box of its face.

    Attributes:
        columns: columns of a sweep's grid; as square as possible by default.
        fps: frame rate of a video.
        side_by_side: show the source next to the result.
        paste_back: put the result back into the source's full picture.
        batch_size: frames per step of the network; 8 by default, and 1 for large pictures on the processor.
        precision: type of the numbers that the network computes with.
        show: write this picture of the method's inside instead of the result, as `animate` does.
        face_box: left, top, width and height in pixels of the face, in place of a detector's, such as where none finds
            it.
    """

    columns: int = 0
    fps: float = 25.0
    side_by_side: bool = False
    paste_back: bool = False
    batch_size: int | None = None
    precision: Precision = "float32"
    show: str = "result"
    face_box: Sequence[float] = ()

    def __post_init__(self) -> None:
        """Raise `ReenactError` for numbers out of range."""
        if self.batch_size is not None and self.batch_size < 1:
            raise ReenactError(f"--batch-size {self.batch_size} must be at least 1")
        if not 1 <= self.fps <= 1000 or self.columns < 0:
            raise ReenactError(f"--fps {self.fps} must be from 1 to 1000, --columns {self.columns} at least 0")
