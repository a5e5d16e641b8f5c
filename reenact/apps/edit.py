"""`reenact edit`: a portrait with another pose, expression, gaze or camera."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from torch import Tensor

from reenact.apps.animator import Animator
from reenact.apps.compose import Composer
from reenact.apps.edit_expression import Expressions, known_expressions, load_vae
from reenact.apps.edit_script import (
    ANGLES,
    CONTROLS,
    Edit,
    Known,
    Motion,
    Step,
    apply_edit,
    parse_number,
    parse_script,
    run_script,
)
from reenact.apps.edit_start import Neutral, make_neutral, take_pose
from reenact.apps.face_input import open_clip
from reenact.apps.notices import SYNTHETIC_NOTICE, saw_synthetic_only
from reenact.apps.output import check_output, write_frames
from reenact.apps.performance import pasted_region
from reenact.apps.provenance import make_mark
from reenact.apps.sheets import labelled_grid
from reenact.apps.sweep import Sweep, parse_sweep
from reenact.apps.timeline import STILL_FPS
from reenact.choices import check_choices
from reenact.errors import ReenactError
from reenact.faces.fields import TensorFields
from reenact.media.media_kinds import check_input, is_picture
from reenact.media.video import Image
from reenact.paths import PathLike, to_path
from reenact.tracking.face_clip import FaceClip
from reenact.tracking.target import ParameterSource


@dataclass(frozen=True)
class EditResult:
    """Result of `edit`: the file and its notices."""

    out: Path
    frames: int
    synthetic: bool = False
    """True where the checkpoint never saw anything but the synthetic world."""

    def __str__(self) -> str:
        """Return the closing lines of the command."""
        line = f"{self.out}: {self.frames} {'face' if self.frames == 1 else 'faces'}"
        return f"{line}\n{SYNTHETIC_NOTICE}" if self.synthetic else line


@check_choices
def edit(
    checkpoint: PathLike,
    source: PathLike,
    out: PathLike,
    *,
    yaw: float | None = None,
    pitch: float | None = None,
    roll: float | None = None,
    jaw_open: float | None = None,
    jaw_yaw: float | None = None,
    jaw_roll: float | None = None,
    left_eye_yaw: float | None = None,
    left_eye_pitch: float | None = None,
    right_eye_yaw: float | None = None,
    right_eye_pitch: float | None = None,
    shape: Sequence[str] = (),
    expression: Sequence[str] = (),
    expression_from: PathLike | None = None,
    expression_weight: float = 1.0,
    expression_vae: PathLike | None = None,
    expression_sample: int | None = None,
    scale: float | None = None,
    tx: float | None = None,
    ty: float | None = None,
    frontalize: bool = False,
    pose_from: PathLike | None = None,
    neutral: Neutral | None = None,
    script: PathLike | None = None,
    sweep: str | None = None,
    columns: int = 0,
    fps: float = 25.0,
    face_index: int = 0,
    side_by_side: bool = False,
    paste_back: bool = False,
    batch_size: int = 8,
    parameters: ParameterSource = "auto",
    device: str = "auto",
    watermark: bool = True,
    overwrite: bool = False,
) -> EditResult:
    """Change pose, expression, gaze or camera of a portrait; what is not named stays.

    Args:
        checkpoint: a trained method; those driven by keypoints know yaw, pitch, roll, scale, tx, ty and the
            expressions of pictures and of a VAE alone.
        source: picture of a face.
        out: file to write: `.png` or `.jpg` for a picture or grid, `.mp4` for a script with `frames` or a sweep.
        yaw: head angle in degrees, to the subject's left.
        pitch: head angle in degrees, downwards.
        roll: head angle in degrees, counter-clockwise in the picture.
        jaw_open: jaw angle in degrees, open.
        jaw_yaw: jaw angle in degrees, to the subject's left.
        jaw_roll: jaw angle in degrees, counter-clockwise.
        left_eye_yaw: gaze of the subject's left eye in degrees, to the subject's left.
        left_eye_pitch: gaze of the subject's left eye in degrees, downwards.
        right_eye_yaw: gaze of the subject's right eye in degrees, to the subject's left.
        right_eye_pitch: gaze of the subject's right eye in degrees, downwards.
        shape: identity coefficients as NUMBER=VALUE.
        expression: expression coefficients as NUMBER=VALUE or, where the face model names them, NAME=VALUE.
        expression_from: picture whose expression is taken, for methods driven by keypoints.
        expression_weight: how far from the source's expression, 0, to that of the picture, 1.
        expression_vae: checkpoint of the method's mmfa_vae, through whose codes expressions are gone between or drawn.
        expression_sample: number of a draw from the VAE, in place of a picture's expression.
        scale: size of the face, the camera's scale; for keypoints the factor f.
        tx: place of the face to the right, in the face model's unit; for keypoints half the picture is 1.
        ty: place of the face upwards, in the face model's unit; for keypoints downwards.
        frontalize: turn the head to the camera before anything else.
        pose_from: picture whose head pose, place and size are taken before anything else; the expression stays.
        neutral: begin with a face without an expression: `expression` sets its numbers to 0, with the jaw closed and
            the eyes straight; `canonical`, for methods of canonical keypoints, draws these as they are, in front view.
        script: file of edits, see `reenact.apps.edit_script`; it starts from the face that the options give.
        sweep: one control over a range, as in `yaw:-30:30:9` or `exp.0:-2:2:5`: a labelled grid or a video.
        columns: columns of a sweep's grid; as square as possible by default.
        fps: frame rate of a video.
        face_index: which face of the source, 0 is the largest.
        side_by_side: show the source next to the result.
        paste_back: put the result back into the source's full picture.
        batch_size: frames per step of the network.
        parameters: where the source's face parameters come from: `fit` (to landmarks), a regressor, or `auto`, where
            those of the training data came from.
        device: `auto`, `cpu`, `cuda`, ...
        watermark: set the invisible mark.
        overwrite: replace `out` where it exists.

    Returns:
        What was written.

    Raises:
        ReenactError: if an input or option cannot be used; nothing is written then.
    """
    checkpoint, source, out = Path(checkpoint), Path(source), Path(out)
    expression_from, expression_vae, pose_from, script = (
        to_path(expression_from),
        to_path(expression_vae),
        to_path(pose_from),
        to_path(script),
    )
    check_output(out, overwrite)
    _check_picture(source, "--source")
    if script is not None and sweep is not None:
        raise ReenactError("--script and --sweep cannot be given together; write the sweep into the script with frames")
    if not 1 <= fps <= 1000 or batch_size < 1 or columns < 0 or face_index < 0:
        raise ReenactError(
            f"--fps {fps} must be from 1 to 1000, --batch_size {batch_size} at least 1, --columns {columns} and "
            f"--face_index {face_index} at least 0"
        )
    if pose_from is not None:
        _check_picture(pose_from, "--pose-from")
        if frontalize:
            raise ReenactError("--pose-from and --frontalize: give one, a picture's head pose or that of a front view")
    edits = [Edit("global_pose", angle, 0.0, "--frontalize") for angle in ANGLES if frontalize]
    values = {
        "yaw": yaw, "pitch": pitch, "roll": roll, "jaw_open": jaw_open, "jaw_yaw": jaw_yaw, "jaw_roll": jaw_roll,
        "left_eye_yaw": left_eye_yaw, "left_eye_pitch": left_eye_pitch, "right_eye_yaw": right_eye_yaw,
        "right_eye_pitch": right_eye_pitch, "scale": scale, "tx": tx, "ty": ty,
    }  # fmt: skip
    edits += _build_named_edits(values)
    edits += _build_coefficient_edits("--shape", "shape", shape) + _build_coefficient_edits(
        "--expression", "exp", expression
    )
    if expression_from is not None and expression_sample is not None:
        raise ReenactError("--expression-from and --expression-sample: give one, a picture's expression or a draw")
    if expression_from is not None:
        _check_picture(expression_from, "--expression-from")
        weight = "--expression-weight"
        edits.append(Edit("exp", "from", parse_number(str(expression_weight), weight), weight))
    if expression_sample is not None:
        edits.append(Edit("exp", "sample", expression_sample, "--expression-sample"))
    request = Request(
        edits=edits,
        steps=parse_script(_read_script(script), str(script)) if script else [],
        sweep=parse_sweep(sweep) if sweep else None,
    )
    if neutral == "canonical" and request.sets("exp"):
        raise ReenactError("--neutral canonical draws a face without an expression: omit it, or the expression")
    animator = Animator(checkpoint, device=device, parameters=parameters)
    face = open_clip(source, animator.target, face_index=face_index)
    image = next(face.images())
    animator.prepare(face.portraits(np.zeros(1, np.int64), [image]))
    start = animator.motion if neutral is None else make_neutral(animator, neutral)
    if pose_from is not None:
        start = take_pose(animator, start, face, open_clip(pose_from, animator.target))
    controls = _read_known_controls(animator, start, expression_from, expression_vae)
    if not isinstance(controls, Expressions) and (expression_from or expression_vae or expression_sample is not None):
        raise ReenactError(
            f"--expression-from, --expression-vae and --expression-sample are for methods driven by keypoints:"
            f" {animator.module.method} takes a picture's expression in reenact animate --parts expression jaw eyes"
        )
    motion = request.motions(animator.motion, start, controls)
    count = len(next(value for value in vars(motion).values() if isinstance(value, Tensor)))
    composer = Composer(side_by_side, paste_back)
    chunks = (motion[start : start + batch_size] for start in range(0, count, batch_size))
    frames = _render_frames(animator, chunks, composer, face, image)
    mark = make_mark(animator.module.method, checkpoint)
    if request.sweep is not None and is_picture(out):
        grid = labelled_grid(list(frames), request.sweep.labels(), columns or math.ceil(math.sqrt(count)))
        write_frames(out, iter([grid]), 1, STILL_FPS, mark, watermark=watermark)
    elif is_picture(out) and count > 1:
        raise ReenactError(f"--out {out} is a picture but the script has {count} frames; name it .mp4")
    else:
        write_frames(out, frames, count, Fraction(fps).limit_denominator(1001), mark, watermark=watermark)
    return EditResult(out, count, saw_synthetic_only(animator.module.recipe))


def _render_frames(
    animator: Animator, chunks: Iterable[TensorFields], composer: Composer, face: FaceClip, image: Image
) -> Iterator[Image]:
    """The frames of the file, of motions in batches."""
    for chunk in chunks:
        results, landmarks = animator.pose(chunk), animator.landmarks()
        for i, result in enumerate(results):
            region = None
            if composer.paste_back:
                region = pasted_region(face, 0, None if landmarks is None else landmarks[i])
            yield composer.frame(result, (image, face.crops[0]), None, region)


@dataclass(frozen=True)
class Request:
    """Everything that changes the face, in the order in which it does."""

    edits: list[Edit]
    steps: list[Step]
    sweep: Sweep | None

    def sets(self, name: str) -> bool:
        """Tell if any edit sets a value of a name."""
        steps = [*self.edits, *(step for step in self.steps if isinstance(step, Edit))]
        return any(edit.name == name for edit in steps) or (self.sweep is not None and self.sweep.name == name)

    def motions(self, source: Motion, start: Motion, controls: Known) -> Motion:
        """The motions (batch F) that edits of a start make; `reset` goes back to the source (both of batch 1)."""
        for item in self.edits:
            start = apply_edit(start, item, controls)
        if self.sweep is not None:
            return type(source).cat([apply_edit(start, item, controls) for item in self.sweep.edits()])
        return run_script(self.steps, source, controls, start)


def _check_picture(path: Path, option: str) -> None:
    check_input(path, option)
    if not is_picture(path):
        raise ReenactError(f"{option} {path} is a video; edit takes a picture")


def _read_known_controls(animator: Animator, start: TensorFields, picture: Path | None, vae: Path | None) -> Known:
    """The method's face model, or what the expression can be set to where it is driven by keypoints."""
    if animator.face_model is not None:
        return animator.face_model
    other = None
    if picture is not None:
        face = open_clip(picture, animator.target)
        other = animator.read(face.portraits(np.zeros(1, np.int64), [next(face.images())]))
    loaded = None if vae is None else load_vae(vae, animator)
    return known_expressions(animator.network.parts, start, other, loaded)


def _build_named_edits(values: dict[str, float | None]) -> list[Edit]:
    return [
        Edit(*CONTROLS[option], parse_number(str(value), f"--{option}"), f"--{option}")
        for option, value in values.items()
        if value is not None
    ]


def _build_coefficient_edits(option: str, name: str, pairs: Sequence[str]) -> list[Edit]:
    edits = []
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise ReenactError(f"{option} {pair}: write NUMBER=VALUE, as in 0=1.5")
        edits.append(Edit(name, key.strip(), parse_number(value, f"{option} {pair}"), f"{option} {pair}"))
    return edits


def _read_script(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ReenactError(f"--script {path} can't be read as text; give a file of edits") from error
