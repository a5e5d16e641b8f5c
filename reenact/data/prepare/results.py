"""Results of a clip's stages as values of the package."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from reenact.data.prepare.inputs import Frames, open_frames
from reenact.data.prepare.work import ClipTask
from reenact.errors import ReenactError
from reenact.faces.crop import Crop
from reenact.faces.params import FaceParams
from reenact.media.video import Image
from reenact.tracking.face_track import FaceTrack


def frames_of(task: ClipTask) -> Frames:
    """The clip's frames; raises `ReenactError` if they can't be read."""
    return open_frames(task.clip, task.settings.fps)


def all_frames(task: ClipTask) -> Iterator[Image]:
    """Iterate over the frames that the stage `cuts` counted; raises `ReenactError` if there are others by now."""
    count = len(task.work["cuts"].arrays["changed"])
    number = -1
    for number, image in enumerate(frames_of(task).read()):
        if number == count:
            break
        yield image
    if number != count - 1:
        raise ReenactError("changes while it is prepared; prepare it again when it is complete")


def frames_at(task: ClipTask, numbers: NDArray[np.int64]) -> Iterator[Image]:
    """The frames of ascending numbers; raises `ReenactError` if one is gone."""
    chosen = set(numbers.tolist())
    last = int(numbers[-1])
    for number, image in enumerate(frames_of(task).read()):
        if number in chosen:
            yield image
        if number == last:
            return
    raise ReenactError("changes while it is prepared; prepare it again when it is complete")


def shot_of(task: ClipTask) -> FaceTrack:
    """The frames that are used: the longest shot, of an album all."""
    arrays, looks = task.work["landmarks"].arrays, task.work["cuts"].facts
    return FaceTrack(
        landmarks=np.asarray(arrays["landmarks"], np.float32),
        visible=np.asarray(arrays["visible"], np.bool_),
        frames=np.asarray(arrays["frames"], np.int64),
        cuts=(),
        width=looks["width"],
        height=looks["height"],
    )


def kept_track(task: ClipTask) -> FaceTrack:
    """The frames of the shot that are stored."""
    return shot_of(task).rows(task.work["crop"].arrays["rows"])


def crop_of(task: ClipTask) -> Crop:
    """The square that is stored of every frame."""
    return Crop.from_array(np.asarray(task.work["crop"].arrays["crop"][0], np.float64))


def mask_of(task: ClipTask) -> NDArray[np.bool_] | None:
    """The masks (T, size, size) of the stored frames; None where none are asked for."""
    if not task.settings.masks:
        return None
    return np.unpackbits(task.work["masks"].arrays["mask"], axis=-1, count=task.settings.size).astype(np.bool_)


def params_of(arrays: Mapping[str, NDArray[Any]]) -> FaceParams:
    """Face parameters from their arrays, see `param_arrays`."""
    return FaceParams(**{name: torch.from_numpy(array) for name, array in arrays.items()})
