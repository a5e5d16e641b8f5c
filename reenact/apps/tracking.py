"""Finding, cropping and fitting the face of a file that somebody brings."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import torch
from rich.markup import escape
from rich.progress import Progress

from reenact.apps.face_clip import FaceClip, store_clip
from reenact.apps.media import is_picture
from reenact.data.prepare.parameters import estimate_track
from reenact.data.prepare.tracking import FaceTrack, fit_track, track_faces
from reenact.errors import ReenactError
from reenact.estimators.base import ParameterRegressor
from reenact.estimators.registry import FaceFinder, RegressorChoice, find_regressor, load_face_finder, load_regressor
from reenact.faces.camera import carry_camera
from reenact.faces.crop import Crop, crop_from_landmarks
from reenact.faces.model import FaceModel
from reenact.faces.params import FaceParams
from reenact.media.pictures import read_image
from reenact.media.video import Image, VideoReader
from reenact.methods.registry import collect_crop_rules, find_default_crop
from reenact.progress import open_progress_console

CropMotion = Literal["fixed", "per_frame"]
"""One crop for each shot of a clip, in which the head moves; or one that follows the face in every frame."""
ParameterSource = Literal["auto", "fit", RegressorChoice]
"""Origin of face parameters: as in the training data, fitted to landmarks, or a network."""


@dataclass(frozen=True)
class Target:
    """Requirements of a method on the faces of its inputs."""

    finder: FaceFinder
    face_model: FaceModel | None
    """Face model that is fitted; None where the method reads images alone."""
    size: int
    """Side of the network's input in pixels."""
    crop: str = field(default_factory=lambda: find_default_crop("synthetic"))
    """Name of the rule by which the face is cropped."""
    regressor: ParameterRegressor | None = None
    """Network that estimates the parameters; None where they are fitted to landmarks."""


def make_target(
    checkpoint: Path,
    recipe: Mapping[str, str],
    face_model: FaceModel | None,
    size: int,
    source: ParameterSource,
    device: str,
) -> Target:
    """Build the requirements on faces: they are prepared as those that the method was trained on.

    Args:
        checkpoint: Names the method in errors.
        recipe: How its training data was prepared, see `Store.info`; empty for the synthetic world.
        face_model: What it is driven by; None where it reads images alone.
        size: Side of its input in pixels.
        source: Where parameters come from.
        device: Where the estimators run.

    Raises:
        ReenactError: if an estimator or its weights are missing, or its parameters are not the face model's.
    """
    rule = recipe.get("crop", find_default_crop("synthetic"))
    if rule not in collect_crop_rules():
        # A whole frame or a data set's own box is a video's default crop for the most part; new pictures have no box.
        rule = find_default_crop("videos")
    regressor = None
    if face_model is not None:
        regressor = _load_regressor(checkpoint, recipe, source, device)
        if regressor is not None and not face_model.name.startswith(regressor.face_model):
            raise ReenactError(
                f"--parameters {regressor.name} gives those of {regressor.face_model}, and {checkpoint} is driven by"
                f" those of {face_model.name}: use --parameters fit"
            )
    return Target(load_face_finder(device=device), face_model, size, rule, regressor)


def _load_regressor(
    checkpoint: Path, recipe: Mapping[str, str], source: ParameterSource, device: str
) -> ParameterRegressor | None:
    if source == "fit":
        return None
    if source != "auto":
        return load_regressor(source, device)
    name = recipe.get("regressor")
    if name is None:
        return None
    try:
        return find_regressor(name, device)
    except ReenactError as error:
        raise ReenactError(
            f"{checkpoint} was trained on face parameters by {name}, and {error}; or fit them with --parameters fit"
        ) from error


def fit_clip(
    track: FaceTrack, images: Iterable[Image], target: Target, motion: CropMotion, room: float = 1.0
) -> tuple[list[Crop], FaceParams | None]:
    """Crops and parameters of a tracked face.

    A fixed crop is the rule's for all frames of a shot that show the face, as `reenact prepare` takes it.

    Args:
        track: T frames.
        images: Their pixels (H, W, 3), read where a network says the parameters.
        target: What the face is for.
        motion: Fixed or following the face.
        room: Factor on the side of a fixed crop.

    Returns:
        T crops; parameters of batch T, or None where the target has no face model.
    """
    if motion == "fixed":
        crops = [crop.grown(room) for crop in _shot_crops(track, target)]
    else:
        crops = [crop_from_landmarks(points, target.crop, target.size) for points in track.landmarks]
    if target.face_model is None:
        return crops, None
    if target.regressor is None:
        return crops, fit_track(track, target.face_model, crops)[0]
    params = estimate_track(track, images, target.regressor)
    whole = Crop.whole(track.height, track.width)
    cameras = [carry_camera(camera, whole, crop) for camera, crop in zip(params.camera, crops, strict=True)]
    return crops, replace(params, camera=torch.stack(cameras))


def _shot_crops(track: FaceTrack, target: Target) -> list[Crop]:
    """Cut each shot of a track by one crop, the rule's for its frames that show the face."""
    crops: list[Crop] = []
    for start, end in itertools.pairwise([0, *track.cuts, len(track)]):
        points, visible = track.landmarks[start:end], track.visible[start:end]
        crops += [crop_from_landmarks(points[visible] if visible.any() else points, target.crop, target.size)] * len(
            points
        )
    return crops


def open_clip(
    path: Path,
    target: Target,
    crop: CropMotion = "fixed",
    face_index: int = 0,
    clip: str | None = None,
) -> FaceClip:
    """Find, crop and fit a face.

    Args:
        path: A picture, a video or the folder of a store.
        target: What the faces are for.
        crop: Fixed or following the face; a store is cropped already.
        face_index: Which face, 0 is the largest.
        clip: Name of the clip of a store, the first by default.

    Raises:
        ReenactError: if the file can't be read, shows no face or not so many, or is a store of another face model.
    """
    if path.is_dir():
        model, regressor = target.face_model, target.regressor
        return store_clip(path, clip, target.size, model.name if model else "", regressor.name if regressor else None)
    if is_picture(path):
        return picture_clip(path, read_image(path), target, face_index)
    reader = VideoReader(path)
    with Progress(transient=True, console=open_progress_console()) as progress:
        task = progress.add_task(f"tracking {escape(path.name)}", total=reader.info.num_frames)
        track = _track_face(path, reader, target, face_index, lambda: progress.advance(task))
    crops, params = fit_clip(track, reader, target, crop)
    return FaceClip(path, reader.fps, crops, track.visible, params, landmarks=track.landmarks, cuts=track.cuts)


def picture_clip(path: Path, image: Image, target: Target, face_index: int = 0) -> FaceClip:
    """The face of a picture (H, W, 3); `path` names it in errors.

    Raises:
        ReenactError: if there is no such face.
    """
    track = _track_face(path, [image], target, face_index, lambda: None)
    crops, params = fit_clip(track, [image], target, "fixed", collect_crop_rules()[target.crop].room)
    return FaceClip(path, None, crops, track.visible, params, landmarks=track.landmarks)


def _track_face(
    path: Path, images: Iterable[Image], target: Target, face_index: int, on_frame: Callable[[], None]
) -> FaceTrack:
    try:
        return track_faces(images, target.finder, face_index, on_frame)
    except ReenactError as error:
        if str(error).startswith(str(path)):
            raise
        remedy = "" if ";" in str(error) else "; give a file with a clearly visible face"
        raise ReenactError(f"{path} {error}{remedy}") from error
