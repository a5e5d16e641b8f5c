"""`reenact prepare`: the clips of an input through all stages, by an engine, into one store."""

from __future__ import annotations

import os
import shutil
import time
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from reenact.choices import check_choices
from reenact.data.layouts import DatasetChoice, find_clips
from reenact.data.layouts.clip_input import ClipInput, text_of
from reenact.data.layouts.folders import has_fomm_layout
from reenact.data.prepare.engine_local import LocalEngine
from reenact.data.prepare.engines import Engine, InlineEngine
from reenact.data.prepare.job import Job, ParameterChoice, Settings, lacks_appearance, store_info
from reenact.data.prepare.naming import name_apart
from reenact.data.prepare.report import print_report, print_status
from reenact.data.prepare.runner import run_stages
from reenact.data.prepare.work import remove_empty_folders
from reenact.data.store.reader import ClipRecord, Store
from reenact.data.store.root_files import MANIFEST
from reenact.data.store.writer import StoreWriter
from reenact.devices import pick_device
from reenact.errors import ReenactError, suggest_names
from reenact.estimators.registry import LandmarkChoice, regressor_face_model, regressor_name, resolve_landmarks
from reenact.faces.registry import load_face_model
from reenact.methods import Recipe
from reenact.methods.choices import CropChoice, CropOption, RecipeName
from reenact.methods.registry import collect_recipes, find_default_crop
from reenact.paths import PathLike, to_path
from reenact.progress import open_progress_console
from reenact.tracking.face_clip import OnMissing

MOST_NOTES = 6
"""Lines about single clips that are printed before the run."""
CROPPED = ("vfhq", "celebv", "voxceleb1", "voxceleb2")
"""Data sets that are handed out cropped, unless a clip has a box."""


@check_choices
def prepare(
    input: PathLike | None = None,
    out: PathLike | None = None,
    *,
    dataset: DatasetChoice = "auto",
    recipe: RecipeName | None = None,
    face_model: str | None = None,
    landmarks: LandmarkChoice = "auto",
    detector: LandmarkChoice = "auto",
    parameters: ParameterChoice = "fit",
    size: int | None = None,
    fps: float | None = None,
    crop: CropOption = "auto",
    on_missing: OnMissing = "hold",
    face_index: int | None = None,
    max_error: float = 0.1,
    engine: Literal["local", "ray"] = "local",
    ray_address: str | None = None,
    workers: int | None = None,
    device: str = "cpu",
    retry: bool = False,
    status: PathLike | None = None,
) -> None:
    """Turn a data set, or any videos and pictures, into a store that every method trains on.

    Run it again to go on after an interruption or to add clips: what is finished is not done again.

    Args:
        input: A data set's folder as its owners hand it out, a video, a picture, a folder of them, a folder with
            `train` and `test` of clips that are cropped already, or the word `synthetic` for the videos of the
            synthetic world.
        out: Folder of the store; of the videos for `synthetic`.
        dataset: Whose layout the input has; auto recognises it, clips takes any videos and pictures.
        recipe: Crop, size and frame rate of a paper, for what is not given itself.
        face_model: Face model: head, flame, bfm, or the path of a file; head by default where parameters are fitted,
            else the regressor's own.
        landmarks: Landmark estimator; auto is the first of face-alignment, MediaPipe and dlib whose files are present.
        detector: Who finds the face; auto is who places the landmarks.
        parameters: Where face parameters come from: fit (to the landmarks), or a regressor with its official weights.
        size: Side of the stored frames in pixels; 256 by default.
        fps: Frames per second to resample to; each video's own by default.
        crop: fomm (one square over the clip), pwm (tighter), export3d, magicportrait (the papers' rules), dataset (the
            data set's own box), none (the whole frame); auto is the recipe's, else dataset where there are boxes,
            none for what is cropped already, and fomm for all else.
        on_missing: Frames without a face: hold (fill in from their neighbours), skip, or error (refuse the clip).
        face_index: Which face, 0 is the largest of the first picture; the one that is meant by default.
        max_error: Landmark error, as a fraction of the distance between the outer eye corners: above it, between a
            frame and its turned copies, the face counts as not seen; above it, between landmarks and face parameters
            (mean), a clip is quarantined.
        engine: local (processes of this machine) or ray (a cluster).
        ray_address: HOST:PORT of the Ray cluster's head; Ray is started here by default.
        workers: Processes; as many as cores by default.
        device: Where networks run: cpu, cuda, cuda:1; of a Ray cluster cpu or cuda.
        retry: Try quarantined clips again.
        status: A store whose clips are listed; nothing is prepared.

    Raises:
        ReenactError: if an option makes no sense here, the input holds nothing usable, or the output is something else
            or can't be written.
    """
    input, out, status = to_path(input), to_path(out), to_path(status)
    if status is not None:
        print_status(status)
        return
    if input is None or out is None:
        raise ReenactError("prepare needs INPUT and --out STORE; or --status STORE to list a store")
    if str(input) == "synthetic":
        from reenact.data.synthetic.write import write_synthetic

        write_synthetic(out, size=size or 256)
        return
    _check_numbers(size, face_index, workers, max_error, fps)
    _check_device(device, engine)
    base = _find_recipe(recipe) if recipe else None
    size = size or (base.size if base else 256)
    with open_progress_console().status(f"Looking through {escape(str(input))}"):
        left_out: Counter[str] = Counter()
        clips = find_clips(input, dataset, left_out)
    _print_left_out(left_out)
    library = resolve_landmarks(landmarks)
    if landmarks == "auto":
        Console().print(
            f"Landmarks by {library}" + (" (face-alignment's weights are absent)" if library == "dlib" else "")
        )
    face_model = face_model or ("head" if parameters == "fit" else regressor_face_model(parameters))
    model = load_face_model(face_model)
    if parameters != "fit" and not model.name.startswith(base_model := regressor_face_model(parameters)):
        raise ReenactError(f"--parameters {parameters} gives those of {base_model}, not of {model.name}")
    model.landmarks68(model.mean_vertices[None])  # refuses a FLAME file without its landmarks
    rate = Fraction(fps).limit_denominator(1001) if fps else (base.fps if base else None)
    rule = _auto_crop(input, dataset, clips, base.crop if base else None) if crop == "auto" else crop
    boxes = None if detector in ("auto", library) else resolve_landmarks(detector)
    network = None if parameters == "fit" else regressor_name(parameters)
    settings = Settings(
        face_model=model.name,
        landmarks=library,
        crop=rule,
        size=size,
        on_missing=on_missing,
        face_index=face_index,
        parameters=parameters,
        regressor=network,
        fps=rate,
        detector=boxes,
        max_error=max_error,
        appearance=parameters == "fit" and bool(model.num_texture) and not lacks_appearance(out),
    )
    job = Job(out=out.absolute(), settings=settings, face_model=face_model, device=device, retry=retry)
    number = min(workers or _count_cores(), len(clips))
    fresh = not (out / MANIFEST).exists()
    writer = StoreWriter(out, store_info(settings))
    start = time.perf_counter()
    try:
        clips = _name_apart(clips, writer, settings)
        writer.plan(text_of(str(input.absolute())), ((clip.name, clip.split) for clip in clips))
        _run_engine(clips, job, _build_engine(engine, ray_address, number, device))
        remove_empty_folders(job.out / "work")
        names = {clip.name for clip in clips}
        rows = (record for record in Store(out).scan() if record.name in names)
        summary = print_report(out, rows, time.perf_counter() - start)
    finally:
        if fresh:
            _remove_empty(out)
    if not summary.usable:
        raise ReenactError(_nothing_usable(input, summary.first))


def _find_recipe(name: str) -> Recipe:
    recipes = collect_recipes()
    if name not in recipes:
        raise ReenactError(f"--recipe {name}: no paper has such a recipe; {suggest_names(name, list(recipes))}")
    return recipes[name]


def _name_apart(clips: list[ClipInput], writer: StoreWriter, settings: Settings) -> list[ClipInput]:
    """Give clips names of their own in the store, and print which."""
    renamed = name_apart(clips, writer, settings)
    pairs = [(old, new) for old, new in zip(clips, renamed, strict=True) if old.name != new.name]
    for old, new in pairs[:MOST_NOTES]:
        Console().print(escape(f"{old.source} is stored as {new.name}: the store has another clip of its name"))
    if len(pairs) > MOST_NOTES:
        Console().print(f"{len(pairs) - MOST_NOTES} more clips are stored under names of their own")
    return renamed


def _print_left_out(left_out: Counter[str]) -> None:
    if left_out:
        kinds = ", ".join(f"{count} {suffix}" for suffix, count in left_out.most_common(MOST_NOTES))
        Console().print(escape(f"Left out {left_out.total()} files that are no clips here: {kinds}"))


def _check_numbers(
    size: int | None, face_index: int | None, workers: int | None, max_error: float, fps: float | None
) -> None:
    for option, number, least in (("size", size, 16), ("face-index", face_index, 0), ("workers", workers, 1)):
        if number is not None and number < least:
            raise ReenactError(f"--{option} {number} must be at least {least}")
    if not max_error > 0:
        raise ReenactError(f"--max-error {max_error} must be more than 0")
    if fps is not None and not 0.1 <= fps <= 1000:
        raise ReenactError(f"--fps {fps} must be from 0.1 to 1000")


def _check_device(device: str, engine: Literal["local", "ray"]) -> None:
    if engine == "local":
        pick_device(device)
    elif device not in ("cpu", "cuda"):
        raise ReenactError(f"--device {device} must be cpu or cuda with --engine ray: Ray picks the GPU")


def _nothing_usable(path: Path, records: Sequence[ClipRecord]) -> str:
    """The sentence for an input without a usable clip."""
    first_record = next((record for record in records if record.status != "missing"), None)
    if first_record is None:
        return f"{path} holds no clip that its metadata name ({records[0].reason}); get the files from their owners"
    remedy = "" if ";" in first_record.reason else "; give a clip or picture with a clearly visible face"
    return f"{first_record.source} {first_record.reason}{remedy}"


def _auto_crop(path: Path, dataset: DatasetChoice, clips: Sequence[ClipInput], paper: str | None) -> CropChoice:
    """Choose the crop for the input: cropped clips stay as they are."""
    boxes = any(clip.region for clip in clips)
    if has_fomm_layout(path) or (dataset in CROPPED and not boxes):
        return "none"
    if paper is not None:
        return paper
    return "dataset" if boxes and all(clip.region or clip.missing for clip in clips) else find_default_crop("videos")


def _build_engine(kind: Literal["local", "ray"], address: str | None, workers: int, device: str) -> Engine:
    if kind == "local":
        if address is not None:
            raise ReenactError("--ray-address is for --engine ray; name the engine too, or leave out the address")
        return InlineEngine() if workers == 1 and device == "cpu" else LocalEngine(workers)
    from reenact.data.prepare.engine_ray import RayEngine

    return RayEngine(address, workers)


def _run_engine(clips: Sequence[ClipInput], job: Job, engine: Engine) -> None:
    """Bring every clip into the manifest, the progress on show."""
    columns = (
        TextColumn("preparing"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("clips, {task.fields[frames]} frames seen"),
        TimeRemainingColumn(),
    )
    stored_names = {record.name for record in Store(job.out).scan()}
    with Progress(*columns, console=open_progress_console()) as progress:
        task = progress.add_task("prepare", total=len(clips), frames=0)

        def done(record: ClipRecord) -> None:
            progress.advance(task)

        waiting = []
        for clip in clips:  # only what has a row may be finished, and is worth looking into its file here
            record = run_stages((), [clip], job)[0] if clip.name in stored_names else None
            if record is None:
                waiting.append(clip)
            else:
                done(record)
        if waiting:
            engine.run(waiting, job, done, lambda frames: progress.update(task, frames=frames))


def _remove_empty(out: Path) -> None:
    """Take away a store made by this run in which no clip is usable, and none is begun."""
    if Store(out).table.names or any(path.is_file() for path in out.glob("work/**/*")):
        return
    for folder in ("clips", "previews", "work"):
        shutil.rmtree(out / folder, ignore_errors=True)
    for file in out.glob(f"{MANIFEST}*"):
        file.unlink()
    remove_empty_folders(out)


def _count_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
