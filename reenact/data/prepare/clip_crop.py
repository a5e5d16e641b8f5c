"""Frames of a shot that are stored, and the one square that is cut out of all of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reenact.errors import ReenactError
from reenact.faces.crop import Crop, crop_from_landmarks, crop_of_region
from reenact.methods.choices import CropChoice
from reenact.tracking.face_clip import OnMissing
from reenact.tracking.face_track import FaceTrack


def clip_crop(
    track: FaceTrack, rule: CropChoice, size: int, region: tuple[float, float, float, float] | None = None
) -> Crop:
    """The one crop that holds for a whole clip.

    Raises:
        ReenactError: if the data set's own box is wanted, and it has none for this clip.
    """
    if rule == "dataset":
        if region is None:
            raise ReenactError("has no box of the data set's own; use another --crop")
        return crop_of_region(region, track.height, track.width, size)
    if rule == "none":
        return Crop.whole(track.height, track.width).resized(size)
    return crop_from_landmarks(track.landmarks, rule, size)


def kept_rows(track: FaceTrack, on_missing: OnMissing) -> NDArray[np.int64]:
    """The rows to keep by the rule for frames without a face."""
    if track.visible.all() or on_missing == "hold":
        return np.arange(len(track))
    if on_missing == "skip":
        return np.flatnonzero(track.visible)
    first = int(track.frames[~track.visible][0])
    raise ReenactError(
        f"shows no face in {int((~track.visible).sum())} frames (first {first}); "
        "use --on-missing hold or skip, or cut them out"
    )
