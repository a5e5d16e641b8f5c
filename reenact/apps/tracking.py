"""Finding, cropping and fitting the face of a file that somebody brings."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress

from reenact.apps.face_clip import FaceClip, store_clip
from reenact.apps.media import is_picture
from reenact.data.pictures import read_image
from reenact.data.prepare.tracking import FaceTrack, fit_track, track_faces
from reenact.data.video import Image, VideoReader
from reenact.errors import ReenactError
from reenact.estimators.registry import FaceFinder
from reenact.faces.crop import Crop, crop_from_landmarks
from reenact.faces.model import FaceModel
from reenact.faces.params import FaceParams

CropMotion = Literal["fixed", "per_frame"]
"""One crop for a whole clip, in which the head moves; or one that follows the face in every frame."""


@dataclass(frozen=True)
class Target:
    """What faces are found for: a method's input."""

    finder: FaceFinder
    face_model: FaceModel | None
    """What to fit; None where the method reads images alone."""
    size: int
    """Side of the network's input in pixels."""


def fit_clip(track: FaceTrack, target: Target, motion: CropMotion) -> tuple[list[Crop], FaceParams | None]:
    """Crops and parameters of a tracked face.

    The crop of a frame is PWM's; a fixed one has the median place and size of those of the frames that show the face.

    Args:
        track: T frames.
        target: What the face is for.
        motion: Fixed or following the face.

    Returns:
        T crops; parameters of batch T, or None where the target has no face model.
    """
    crops = [crop_from_landmarks(points, "pwm", target.size) for points in track.landmarks]
    if motion == "fixed":
        squares = np.array([crop.to_array() for crop, seen in zip(crops, track.visible, strict=True) if seen])
        crops = [_median_crop(squares)] * len(track)
    return crops, fit_track(track, target.face_model, crops)[0] if target.face_model else None


def _median_crop(squares: NDArray[np.float64]) -> Crop:
    """The crop of median centre and side of crops (N, 4), see `Crop.to_array`."""
    side = np.median(squares[:, 2])
    left, top = np.median(squares[:, :2] + squares[:, 2:3] / 2, axis=0) - side / 2
    return Crop(float(left), float(top), float(side), round(squares[0, 3]))


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
    model = target.face_model
    if path.is_dir():
        return store_clip(path, clip, target.size, model.name if model else "")
    if is_picture(path):
        return picture_clip(path, read_image(path), target, face_index)
    reader = VideoReader(path)
    with Progress(transient=True) as progress:
        task = progress.add_task(f"tracking {path.name}", total=reader.info.num_frames)
        track = _track(path, reader, target, face_index, lambda: progress.advance(task))
    crops, params = fit_clip(track, target, crop)
    return FaceClip(path, reader.fps, crops, track.visible, params, landmarks=track.landmarks)


def picture_clip(path: Path, image: Image, target: Target, face_index: int = 0) -> FaceClip:
    """The face of a picture (H, W, 3); `path` names it in errors.

    Raises:
        ReenactError: if there is no such face.
    """
    track = _track(path, [image], target, face_index, lambda: None)
    crops, params = fit_clip(track, target, "fixed")
    return FaceClip(path, None, crops, track.visible, params, landmarks=track.landmarks)


def _track(
    path: Path, images: Iterable[Image], target: Target, face_index: int, on_frame: Callable[[], None]
) -> FaceTrack:
    try:
        return track_faces(images, target.finder, face_index, on_frame)
    except ReenactError as error:
        if str(path) in str(error):
            raise
        raise ReenactError(f"{path} {error}; give a file with a clearly visible face") from error
