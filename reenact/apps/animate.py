"""`reenact animate`: a portrait moved by a video."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from reenact.apps.animate_checks import Audio, check_files, check_numbers, refuse_controls, refuse_moving_source
from reenact.apps.animator import Animator
from reenact.apps.common_frame import align_shots, share_frame, share_size
from reenact.apps.compose import Composer
from reenact.apps.face_input import open_clip
from reenact.apps.notices import SYNTHETIC_NOTICE, saw_synthetic_only
from reenact.apps.output import FrameBar, check_output, write_frames
from reenact.apps.performance import Performance, read_portrait
from reenact.apps.provenance import make_mark
from reenact.apps.reference import anchor_number, reference_number
from reenact.apps.smoothing import Smoothing, smooth_clip
from reenact.apps.timeline import Length, Timeline, make_timeline
from reenact.apps.work_folder import open_work_folder
from reenact.choices import Precision, check_choices
from reenact.devices import choose_batch_size
from reenact.errors import ReenactError
from reenact.media.media_kinds import is_picture
from reenact.models.common.base import RESULT, Mode, Reenactor
from reenact.models.common.settings import parse_settings
from reenact.paths import PathLike
from reenact.tracking.face_box import check_face_box, replace_detector
from reenact.tracking.face_clip import FaceClip, OnMissing, check_missing
from reenact.tracking.read_face import CropMotion
from reenact.tracking.target import ParameterSource

MotionChoice = Literal["auto", Mode]
"""A way of `Transfer`; `auto` is the method's own, but relative motion in place of absolute, unless the driving is a
single picture."""


@dataclass(frozen=True, kw_only=True)
class Animation:
    """Result of `animate`: the file and its notices."""

    out: Path
    frames: int
    fps: Fraction
    missing: int
    """Frames of source or driving without a face, held or left out."""
    outside: int = 0
    """Frames in which the driving face or the result's reaches over the edge of its crop."""
    cuts: tuple[str, ...] = ()
    """Inputs with cuts, each with the frame numbers at which its shots begin."""
    synthetic: bool = False
    """True where the checkpoint never saw anything but the synthetic world."""

    def __str__(self) -> str:
        """Return the closing lines of the command."""
        missing = f", {self.missing} without a face" if self.missing else ""
        lines = [f"{self.out}: {self.frames} frames at {float(self.fps):g} frames/s{missing}"]
        if self.outside:
            lines.append(
                f"the face leaves its crop in {self.outside} of {self.frames} frames: use --crop per_frame, a calmer"
                " driving clip or less --strength"
            )
        if self.synthetic:
            lines.append(SYNTHETIC_NOTICE)
        lines += [f"{clip}: the motion jumps there; cut it into its shots" for clip in self.cuts]
        return "\n".join(lines)


@check_choices
def animate(
    checkpoint: PathLike,
    source: PathLike,
    driving: PathLike,
    out: PathLike,
    *,
    motion: MotionChoice = "auto",
    reference_frame: str = "auto",
    strength: float | None = None,
    parts: Sequence[str] = (),
    adapt_scale: bool | None = None,
    renormalise_scale: bool | None = None,
    smoothing: Smoothing = "one_euro",
    crop: Literal["auto", "fixed", "per_frame"] = "auto",
    face_index: int = 0,
    driving_face_index: int = 0,
    face_box: Sequence[float] = (),
    driving_clip: str | None = None,
    on_missing: OnMissing = "hold",
    length: Length = "min",
    audio: Audio = "driving",
    side_by_side: bool = False,
    paste_back: bool = False,
    batch_size: int | None = None,
    parameters: ParameterSource = "auto",
    device: str = "auto",
    precision: Precision = "float32",
    set: Sequence[str] = (),
    show: str = "result",
    watermark: bool = True,
    overwrite: bool = False,
) -> Animation:
    """Move the face of a picture or video like the face of another.

    Args:
        checkpoint: a trained method.
        source: picture or video whose person is shown.
        driving: video, picture or prepared store whose motion is taken.
        out: file to write: `.mp4` for a video, `.png` or `.jpg` for a single picture.
        motion: `relative` takes the change of the driving pose and expression against the reference frame,
            `absolute` their values, `pose` and `expression` those alone; `auto` is `relative`, and `absolute` where
            the driving is a single picture.
        reference_frame: the driving frame that matches the source: `first`, `best` (the most alike) or a frame number;
            `auto` is `best` where something is there to compare the faces by. Relative motion starts from it, and
            absolute motion sees the driving clip in the crop that the source's would be around this frame's face.
        strength: 1 is the full motion, less calms it, more exaggerates it; by default as the method's paper, mostly 1.
        parts: what may move, of the method's parts: pose, jaw, expression, eyes, camera for
            face parameters; by default as the method's paper, mostly everything.
        adapt_scale: relative motion grows with the ratio of the faces' sizes, as FOMM's option;
            by default as the method's paper, mostly yes.
        renormalise_scale: absolute motion takes the change of the driving face's scale against the reference frame in
            place of the scale, of methods that move by face parameters; by default as the method's paper, mostly no.
        smoothing: filter over time: `one_euro` as GDPW's demo, or `none`.
        crop: `fixed` keeps one crop through a clip, so that heads move in the picture; `per_frame` follows the face,
            as GDPW's demo; `auto` is `fixed` for a source picture and `per_frame` for a source video.
        face_index: which face of the source, 0 is the largest.
        driving_face_index: which face of the driving video.
        face_box: left, top, width and height in pixels of the face in a source picture, in place of a detector's, such
            as where none finds it.
        driving_clip: name of the clip when the driving is a store; the first by default.
        on_missing: frames without a face: `hold` (fill in from the neighbours), `skip`, or `error`.
        length: which clip ends the result: `driving`, `source` or the shorter (`min`).
        audio: whose sound is kept; `none` where it can't be carried.
        side_by_side: show source, result and driving in a row.
        paste_back: put the result back into the source's full frame.
        batch_size: frames per step of the network; 8 by default, and 1 for large pictures on the processor.
        parameters: where face parameters come from: `fit` (to landmarks), a regressor, or `auto`, where those of the
            training data came from.
        device: `auto`, `cpu`, `cuda`, ...
        precision: type of the numbers that the network computes with.
        set: settings of the method as NAME=VALUE, as in `network.sampling.steps=10`.
        show: write this picture of the method's inside instead of the result, such as `flow`; those of the picture
            grids of training, and an unknown name lists them.
        watermark: set the invisible mark.
        overwrite: replace `out` where it exists.

    Returns:
        What was written.

    Raises:
        ReenactError: if an input or option cannot be used; nothing is written then.
    """
    checkpoint, source, driving, out = Path(checkpoint), Path(source), Path(driving), Path(out)
    options = {name: value for name, value in locals().items() if name not in ("out", "overwrite")}
    check_output(out, overwrite)
    check_numbers(strength, batch_size, face_index, driving_face_index)
    check_files(source, driving, driving_clip, out, audio)
    box = check_face_box(face_box, source, face_index)
    settings = parse_settings(set)
    refuse_controls(settings)
    animator = Animator(
        checkpoint, device=device, parameters=parameters, settings=settings, precision=precision, show=show
    )
    mode = _resolve_mode(driving, animator.network) if motion == "auto" else motion
    scales = {"adapt_scale": adapt_scale, "renormalise_scale": renormalise_scale}
    animator.change_transfer(mode=mode, parts=tuple(parts) or None, strength=strength, **scales)
    refuse_moving_source(source, animator)
    rule: CropMotion = ("fixed" if is_picture(source) else "per_frame") if crop == "auto" else crop
    faces = animator.faces
    source_target = replace_detector(faces.source_target, box)
    source_face = smooth_clip(open_clip(source, source_target, rule, face_index), smoothing)
    check_missing(source_face, on_missing)
    if show != RESULT:  # an unknown name is refused before the driving video is tracked, which takes minutes
        animator.prepare(read_portrait(source_face, 0, animator.network.needs)).pose(animator.motion)
    driving_face = open_clip(driving, faces.target, rule, driving_face_index, driving_clip)
    driving_face = smooth_clip(driving_face, smoothing)
    check_missing(driving_face, on_missing)
    reference, anchor = _find_matching_frames(animator, source_face, driving_face, reference_frame)
    source_face, driving_face = _align_faces(animator, source_face, driving_face, reference, anchor)
    if rule == "per_frame" and not parts:
        animator.keep_place()
    timeline, missing = _match_frames(source_face, driving_face, length, on_missing)
    sound = {"driving": driving_face.sound, "source": source_face.sound, "none": None}[audio]
    if on_missing == "skip" and missing:
        sound = None  # it would fall behind where frames are left out
    performance = Performance(
        animator=animator,
        source=source_face,
        driving=driving_face,
        composer=Composer(side_by_side, paste_back),
        batch_size=batch_size or choose_batch_size(animator.device, animator.size),
    )
    mark, bar = make_mark(animator.module.method, checkpoint), FrameBar()
    with open_work_folder(out, options) as work:
        frames = performance.frames(timeline, reference, anchor, bar.report, work)
        write_frames(out, frames, len(timeline), timeline.fps, mark, sound, watermark, bar)
    return Animation(
        out=out,
        frames=len(timeline),
        fps=timeline.fps,
        missing=missing,
        outside=performance.outside,
        cuts=tuple(_name_cuts(clip) for clip in (source_face, driving_face) if clip.cuts),
        synthetic=saw_synthetic_only(animator.module.recipe),
    )


def _match_frames(source: FaceClip, driving: FaceClip, length: Length, on_missing: OnMissing) -> tuple[Timeline, int]:
    """Match the frames of two clips, and count those in which one shows no face; `skip` leaves these out."""
    timeline = make_timeline((len(driving), driving.fps), (len(source), source.fps), length)
    missing = ~(driving.found[timeline.driving] & source.found[timeline.source])
    if on_missing == "skip" and missing.any():
        timeline = timeline.keep(~missing)
        if not len(timeline):
            raise ReenactError("--on-missing skip leaves no frame in which both show a face; use hold")
    return timeline, int(missing.sum())


def _find_matching_frames(
    animator: Animator, source: FaceClip, driving: FaceClip, reference_frame: str
) -> tuple[int, int]:
    """Find the frame of the driving clip and that of the source which correspond to each other."""
    transfer = animator.transfer
    by_coefficients = transfer.renormalise_scale and transfer.mode != "relative"
    reference = reference_number(reference_frame, source, driving, animator.face_model, by_coefficients=by_coefficients)
    return reference, anchor_number(reference_frame, source, driving)


def _align_faces(
    animator: Animator, source: FaceClip, driving: FaceClip, reference: int, anchor: int
) -> tuple[FaceClip, FaceClip]:
    """Bring the shots of each clip into one frame, and both clips into one where motion is not relative."""
    rule = animator.faces.target.crop
    source, driving = align_shots(source, anchor, rule), align_shots(driving, reference, rule)
    if animator.transfer.mode != "relative":
        driving = share_size(source, share_frame(source, driving, reference, rule, anchor), animator.face_model)
    return source, driving


def _name_cuts(clip: FaceClip) -> str:
    return f"{clip.path} has cuts at frames {', '.join(map(str, clip.cuts))}"


def _resolve_mode(driving: Path, network: Reenactor[Any, Any]) -> Mode:
    """The motion of `auto`: the method's own, but a clip shows a change and one picture has none to take."""
    mode = network.transfer.mode
    if mode == "absolute" and "relative" in network.modes and not _is_single(driving):
        return "relative"
    return "absolute" if mode == "relative" and _is_single(driving) else mode


def _is_single(driving: Path) -> bool:
    return is_picture(driving) and not driving.is_dir()
