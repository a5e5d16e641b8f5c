"""The face of a file: found, followed, cropped and measured in every frame."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Literal

import torch
from rich.markup import escape
from rich.progress import Progress

from reenact.choices import check_choices
from reenact.devices import pick_device
from reenact.errors import ReenactError
from reenact.estimators.registry import RegressorChoice, load_face_finder, load_regressor, regressor_face_model
from reenact.faces.appearance import choose_frames
from reenact.faces.camera import carry_camera
from reenact.faces.crop import Crop, crop_from_landmarks
from reenact.faces.params import FaceParams
from reenact.faces.registry import load_face_model
from reenact.media.media_kinds import check_input, is_picture
from reenact.media.pictures import read_image
from reenact.media.video import Image, VideoReader
from reenact.methods.choices import VIDEO_CROP, CropRuleName
from reenact.methods.registry import collect_crop_rules
from reenact.paths import PathLike
from reenact.progress import open_progress_console
from reenact.tracking.face_clip import NO_MASKS, FaceClip
from reenact.tracking.face_track import FaceTrack
from reenact.tracking.face_tracker import track_face
from reenact.tracking.landmark_placer import TYPICAL_RATE
from reenact.tracking.parameters import fit_track, measure_appearance, regress_track
from reenact.tracking.target import Target

CropMotion = Literal["fixed", "per_frame"]
"""One crop for each shot of a clip, in which the head moves; or one that follows the face in every frame."""


@check_choices
def read_face(
    path: PathLike,
    *,
    parameters: Literal["fit", "none", RegressorChoice] = "fit",
    face_model: str | None = None,
    crop: CropRuleName = VIDEO_CROP,
    size: int = 256,
    face_index: int = 0,
    device: str = "auto",
) -> FaceClip:
    """Find one face in every frame of a picture or video, and measure it.

    Args:
        path: picture or video.
        parameters: source of the face parameters: `fit` (to the landmarks), a regressor, or `none`.
        face_model: face model of the parameters: head, flame, bfm, or the path of a file; by default head where they
            are fitted, else the regressor's own.
        crop: rule by which the face is cut out of the frames.
        size: side of the crops in pixels.
        face_index: number of the face, 0 is the largest.
        device: `auto`, `cpu`, `cuda`, ...

    Returns:
        T frames: `landmarks` (T, 68, 2) in pixels of the full frames, `found` (T,), `crops`, and `params` of batch T in
        the normalised device coordinates of the crops; `params` is None where `parameters` is `none`.

    Raises:
        ReenactError: if the file can't be read or shows no such face, or an estimator or its files are missing.
    """
    path = Path(path)
    check_input(path, "read_face:")
    if size < 16 or face_index < 0:
        raise ReenactError(f"size={size} must be at least 16, face_index={face_index} at least 0")
    target_device = str(pick_device(device))
    regressor, model = None, None
    if parameters == "fit":
        model = load_face_model(face_model or "head")
    elif parameters != "none":
        regressor = load_regressor(parameters, target_device)
        model = load_face_model(face_model or regressor_face_model(parameters))
        if not model.name.startswith(regressor.face_model):
            raise ReenactError(
                f"parameters={parameters!r} gives those of {regressor.face_model}: leave out face_model={face_model!r}"
            )
    target = Target(
        finder=load_face_finder(device=target_device), face_model=model, size=size, crop=crop, regressor=regressor
    )
    return read_face_file(path, target, face_index=face_index)


def read_face_file(path: Path, target: Target, crop: CropMotion = "fixed", face_index: int = 0) -> FaceClip:
    """Find, follow, crop and measure the face of a file.

    Args:
        path: A picture or a video.
        target: Requirements on the face.
        crop: Fixed or following the face.
        face_index: Number of the face, 0 is the largest.

    Raises:
        ReenactError: if the file can't be read, shows no face or not so many, or a part is needed that nothing finds.
    """
    if is_picture(path):
        return read_picture_face(path, read_image(path), target, face_index)
    reader = VideoReader(path)
    with Progress(transient=True, console=open_progress_console()) as progress:
        task = progress.add_task(f"tracking {escape(path.name)}", total=reader.info.num_frames)
        track = _track_face(path, reader, target, face_index, reader.fps, lambda: progress.advance(task))
    crops = crop_track(track, target, crop)
    params = measure_track(track, reader, crops, target)
    return FaceClip(
        path=path,
        fps=reader.fps,
        crops=crops,
        found=track.visible,
        params=params,
        landmarks=track.landmarks,
        cuts=track.cuts,
    )


def read_picture_face(path: Path, image: Image, target: Target, face_index: int = 0) -> FaceClip:
    """Find, crop and measure the face of a picture (H, W, 3); `path` names it in errors.

    Raises:
        ReenactError: if there is no such face, or a part is needed that nothing finds.
    """
    track = _track_face(path, [image], target, face_index)
    crops = crop_track(track, target, "fixed", collect_crop_rules()[target.crop].room)
    params = measure_track(track, [image], crops, target)
    return FaceClip(path=path, fps=None, crops=crops, found=track.visible, params=params, landmarks=track.landmarks)


def crop_track(track: FaceTrack, target: Target, motion: CropMotion, room: float = 1.0) -> list[Crop]:
    """Crops of a tracked face, one a frame.

    A fixed crop is the rule's for all frames of a shot that show the face, as `reenact prepare` takes it.

    Args:
        track: T frames.
        target: Requirements on the face.
        motion: Fixed or following the face.
        room: Factor on the side of a fixed crop.
    """
    if motion == "per_frame":
        return [
            crop_from_landmarks(points, target.crop, target.size, turned=target.turned) for points in track.landmarks
        ]
    crops: list[Crop] = []
    for start, end in itertools.pairwise([0, *track.cuts, len(track)]):
        points, visible = track.landmarks[start:end], track.visible[start:end]
        shown, turned = points[visible] if visible.any() else points, target.turned and len(track) == 1
        shot = crop_from_landmarks(shown, target.crop, target.size, turned=turned)
        crops += [shot.grown(room)] * len(points)
    return crops


def measure_track(track: FaceTrack, images: Iterable[Image], crops: list[Crop], target: Target) -> FaceParams | None:
    """Face parameters of a tracked face.

    Args:
        track: T frames.
        images: Their pixels (H, W, 3), read where a network regresses the parameters, and once more where texture and
            light are measured.
        crops: T crops, in whose normalised device coordinates the cameras are.
        target: Requirements on the face.

    Returns:
        Batch T, or None where the target has no face model.
    """
    if target.face_model is None:
        return None
    if target.regressor is None:
        params = fit_track(track, target.face_model, crops)[0]
    else:
        params = regress_track(track, images, target.regressor)
        whole = Crop.whole(track.height, track.width)
        cameras = [carry_camera(camera, whole, crop) for camera, crop in zip(params.camera, crops, strict=True)]
        params = replace(params, camera=torch.stack(cameras))
    if not target.appearance or params.texture is not None:
        return params
    numbers = choose_frames(track.visible)
    pictures = (image for number, image in enumerate(images) if number in numbers)
    return measure_appearance(params, target.face_model, numbers, pictures, [crops[number] for number in numbers])


def _track_face(
    path: Path,
    images: Iterable[Image],
    target: Target,
    face_index: int,
    fps: Fraction = TYPICAL_RATE,
    on_frame: Callable[[], None] = lambda: None,
) -> FaceTrack:
    if target.needs.mask:
        raise ReenactError(f"{path} {NO_MASKS}")
    try:
        return track_face(images, target.finder, face_index, on_frame, fps)
    except ReenactError as error:
        if error.subject:
            raise
        raise error.about(path).with_remedy("give a file with a clearly visible face") from error
