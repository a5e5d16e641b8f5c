"""`reenact edit`: a portrait with another pose, expression, gaze or camera."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch

from reenact.apps.animator import Animator, PlayedFrame
from reenact.apps.compose import Composer
from reenact.apps.edit_options import EditOptions, Settings
from reenact.apps.edit_request import EditRequest, check_picture, parse_request
from reenact.apps.edit_script import apply_edit, check_edits, list_doubtful_edits, run_script
from reenact.apps.edit_start import build_start, load_animator
from reenact.apps.edit_surface import build_surface, find_surface
from reenact.apps.face_input import open_clip
from reenact.apps.notices import SYNTHETIC_NOTICE, saw_synthetic_only
from reenact.apps.output import FrameBar, check_output, write_frames, write_surface
from reenact.apps.performance import read_portrait, weigh_result
from reenact.apps.provenance import make_mark
from reenact.apps.sheets import labelled_grid
from reenact.apps.timeline import STILL_FPS
from reenact.apps.work_folder import open_work_folder
from reenact.choices import check_choices
from reenact.devices import choose_batch_size
from reenact.errors import ReenactError
from reenact.faces.fields import TensorFields
from reenact.media.media_kinds import is_picture
from reenact.media.mesh_files import is_mesh
from reenact.media.video import Image
from reenact.models.common.base import Reenactor, SourceState
from reenact.paths import PathLike, to_path
from reenact.tracking.face_box import check_face_box, replace_detector
from reenact.tracking.face_clip import FaceClip
from reenact.tracking.target import ParameterSource


@dataclass(frozen=True)
class EditResult:
    """Result of `edit`: the file and its notices."""

    out: Path
    frames: int
    synthetic: bool = False
    """True where the checkpoint never saw anything but the synthetic world."""
    doubts: tuple[str, ...] = ()
    """Sentences about edits that the method can't be trusted with."""

    def __str__(self) -> str:
        """Return the closing lines of the command."""
        line = f"{self.out}: {self.frames} {'face' if self.frames == 1 else 'faces'}"
        return "\n".join((line, *self.doubts, *([SYNTHETIC_NOTICE] if self.synthetic else [])))


@check_choices
def edit(
    checkpoint: PathLike,
    source: PathLike,
    out: PathLike,
    *,
    set: Settings = (),
    script: PathLike | None = None,
    sweep: str | None = None,
    face_index: int = 0,
    parameters: ParameterSource = "auto",
    device: str = "auto",
    watermark: bool = True,
    overwrite: bool = False,
    options: EditOptions = EditOptions(),  # noqa: B008 - it cannot change
) -> EditResult:
    """Change pose, expression, gaze or camera of a portrait; what is not named stays.

    Args:
        checkpoint: a trained method; `reenact controls CHECKPOINT` lists its controls.
        source: picture of a face.
        out: file to write: `.png` or `.jpg` for a picture or grid, `.mp4` for a script with `frames` or a sweep,
            `.ply` for the surface of the head where the method knows one.
        set: controls of the method and their values, as in `yaw=20 expression.0=1.5`; the options above spell the usual
            ones.
        script: file of edits, see `reenact.apps.edit_script`; it starts from the face that the options give.
        sweep: one control over a range, as in `yaw:-30:30:9` or `exp.0:-2:2:5`, or a turn of the head on an ellipse,
            `orbit:YAW:PITCH:COUNT`: a labelled grid or a video.
        face_index: which face of the source, 0 is the largest.
        parameters: where the source's face parameters come from: `fit` (to landmarks), a regressor, or `auto`, where
            those of the training data came from.
        device: `auto`, `cpu`, `cuda`, ...
        watermark: set the invisible mark.
        overwrite: replace `out` where it exists.
        options: options of the output, and the box of the face.

    Returns:
        What was written.

    Raises:
        ReenactError: if an input or option cannot be used; nothing is written then.
    """
    checkpoint, source, out = Path(checkpoint), Path(source), Path(out)
    check_output(out, overwrite, meshes=True)
    check_picture(source, "--source")
    if face_index < 0:
        raise ReenactError(f"--face-index {face_index} must be at least 0")
    box = check_face_box(options.face_box, source, face_index)
    request = parse_request(set, to_path(script), sweep)
    _check_frame_count(out, request)
    animator, request = load_animator(checkpoint, request, parameters, options, device)
    if is_mesh(out):
        find_surface(animator)
    check_edits(animator.network, request.list_edits())
    face = open_clip(source, replace_detector(animator.faces.source_target, box), face_index=face_index)
    animator.prepare(read_portrait(face, 0, animator.network.needs))
    motions = build_motions(animator, build_start(animator, face, request), request)
    step = options.batch_size or choose_batch_size(animator.device, animator.size)
    batches = (type(motions[0]).cat(motions[start : start + step]) for start in range(0, len(motions), step))
    composer, mark = Composer(options.side_by_side, options.paste_back), make_mark(animator.module.method, checkpoint)
    if is_mesh(out):
        write_surface(out, build_surface(animator, motions[0]), mark)
    elif is_picture(out):
        picture = _draw_picture(
            compose_frames(pose_motions(animator, batches), composer, animator.network, face), request, options
        )
        write_frames(out, iter([picture]), 1, STILL_FPS, mark, watermark=watermark)
    else:
        bar, rate = FrameBar(), Fraction(options.fps).limit_denominator(1001)
        face_input = {"source": source, "face_index": face_index, "face_box": options.face_box}
        with open_work_folder(out, {"checkpoint": checkpoint, **face_input, **request.list_inputs()}) as work:
            frames = compose_frames(animator.play_motions(batches, bar.report, work), composer, animator.network, face)
            write_frames(out, frames, len(motions), rate, mark, None, watermark, bar)
    doubts = list_doubtful_edits(animator.network, request.list_edits())
    return EditResult(out, len(motions), saw_synthetic_only(animator.module.recipe), tuple(doubts))


def _check_frame_count(out: Path, request: EditRequest) -> None:
    """Refuse an output that can't hold as many frames."""
    count = request.count_frames()
    if is_picture(out) and count > 1 and not request.sweep:
        raise ReenactError(f"--out {out} is a picture but the script has {count} frames; name it .mp4")
    if is_mesh(out) and count > 1:
        raise ReenactError(f"--out {out} is a mesh of one face but there are {count} frames; name it .mp4")


def _draw_picture(frames: Iterator[Image], request: EditRequest, options: EditOptions) -> Image:
    """Draw the only frame, or the labelled grid of a sweep."""
    labels = [step.label for step in request.sweep]
    if not labels:
        return next(frames)
    return labelled_grid(list(frames), labels, options.columns or math.ceil(math.sqrt(len(labels))))


@torch.inference_mode()
def build_motions(animator: Animator, state: SourceState, request: EditRequest) -> list[TensorFields]:
    """The motions (batch 1 each) of the frames that a request asks for.

    Raises:
        ReenactError: if the method lacks a control, or refuses a value.
    """
    network, start = animator.network, state.motion
    for edit in request.edits:
        start = apply_edit(network, state, start, edit)
    if not request.sweep:
        return run_script(network, state, request.steps, animator.motion, start)
    motions = []
    for step in request.sweep:
        motion = start
        for edit in step.edits:
            motion = apply_edit(network, state, motion, edit)
        motions.append(motion)
    return motions


def pose_motions(animator: Animator, batches: Iterable[TensorFields]) -> Iterator[PlayedFrame]:
    """Pictures of single motions, which know nothing of each other, from batches."""
    for batch in batches:
        pictures, landmarks = animator.pose(batch), animator.landmarks()
        for number, picture in enumerate(pictures):
            yield PlayedFrame(picture, None if landmarks is None else landmarks[number])


def compose_frames(
    frames: Iterable[PlayedFrame], composer: Composer, network: Reenactor[Any, Any], face: FaceClip
) -> Iterator[Image]:
    """The frames of the file, laid out beside or in the source's picture."""
    source = next(face.images()), face.crops[0]
    for frame in frames:
        weights = weigh_result(network, face, 0, frame.landmarks) if composer.paste_back else None
        yield composer.frame(frame.picture, source, None, weights)
