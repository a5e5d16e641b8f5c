"""`reenact prepare`: the clips of an input through all stages, by an engine, into one store."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.markup import escape

from reenact.choices import check_choices
from reenact.data.layouts import DatasetChoice, find_clips
from reenact.data.layouts.clip_input import ClipInput
from reenact.data.layouts.folders import has_fomm_layout
from reenact.data.prepare.engine_local import LocalEngine
from reenact.data.prepare.engines import Engine, InlineEngine
from reenact.data.prepare.filling import MOST_NOTES, fill_store
from reenact.data.prepare.job import Job, ParameterChoice, Settings, keep_model_name, lacks_appearance
from reenact.data.prepare.report import print_status
from reenact.devices import pick_device
from reenact.errors import ReenactError, suggest_names
from reenact.estimators.registry import (
    LandmarkChoice,
    LandmarkLibrary,
    regressor_face_model,
    regressor_name,
    resolve_landmarks,
)
from reenact.faces.model import FaceModel
from reenact.faces.registry import load_face_model
from reenact.methods import Recipe
from reenact.methods.choices import CropChoice, CropOption, RecipeName
from reenact.methods.registry import collect_recipes, find_default_crop
from reenact.paths import PathLike, to_path
from reenact.progress import open_progress_console
from reenact.tracking.face_clip import OnMissing

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
    masks: bool = False,
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
        masks: Store the mask of the person in every frame, by MediaPipe's selfie segmentation.
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
    clips = _find_input_clips(input, dataset)
    library = _choose_landmarks(landmarks)
    face_model, model = _load_model(face_model, parameters)
    boxes = None if detector in ("auto", library) else resolve_landmarks(detector)
    settings = Settings(
        face_model=keep_model_name(out, model.name),
        landmarks=library,
        crop=_auto_crop(input, dataset, clips, base.crop if base else None) if crop == "auto" else crop,
        size=size,
        on_missing=on_missing,
        face_index=face_index,
        parameters=parameters,
        regressor=None if parameters == "fit" else regressor_name(parameters),
        fps=Fraction(fps).limit_denominator(1001) if fps else (base.fps if base else None),
        detector=boxes,
        max_error=max_error,
        masks=masks,
        appearance=parameters == "fit" and bool(model.num_texture) and not lacks_appearance(out),
    )
    job = Job(out=out.absolute(), settings=settings, face_model=face_model, device=device, retry=retry)
    number = min(workers or _count_cores(), len(clips))
    fill_store(clips, job, input, out, partial(_build_engine, engine, ray_address, number, device))


def _find_input_clips(path: Path, dataset: DatasetChoice) -> list[ClipInput]:
    """Look through an input, and print what is no clip."""
    with open_progress_console().status(f"Looking through {escape(str(path))}"):
        left_out: Counter[str] = Counter()
        clips = find_clips(path, dataset, left_out)
    _print_left_out(left_out)
    return clips


def _choose_landmarks(choice: LandmarkChoice) -> LandmarkLibrary:
    """The library that places the landmarks; printed where nobody has named it."""
    library = resolve_landmarks(choice)
    if choice == "auto":
        Console().print(
            f"Landmarks by {library}" + (" (face-alignment's weights are absent)" if library == "dlib" else "")
        )
    return library


def _load_model(name: str | None, parameters: ParameterChoice) -> tuple[str, FaceModel]:
    """Load the face model of the parameters, by default that of their origin; raises `ReenactError` for another."""
    name = name or ("head" if parameters == "fit" else regressor_face_model(parameters))
    model = load_face_model(name)
    if parameters != "fit" and not model.name.startswith(base_model := regressor_face_model(parameters)):
        raise ReenactError(f"--parameters {parameters} gives those of {base_model}, not of {model.name}")
    model.landmarks68(model.mean_vertices[None])  # refuses a FLAME file without its landmarks
    return name, model


def _find_recipe(name: str) -> Recipe:
    recipes = collect_recipes()
    if name not in recipes:
        raise ReenactError(f"--recipe {name}: no paper has such a recipe; {suggest_names(name, list(recipes))}")
    return recipes[name]


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


def _count_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
