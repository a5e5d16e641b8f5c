"""The stage `parameters`: fitted to the landmarks of a clip, or estimated by a network that several clips share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from reenact.data.prepare.job import Tools
from reenact.data.prepare.results import crop_of, frames_at, kept_track, params_of, shot_of
from reenact.data.prepare.tracking import FaceTrack, fit_track
from reenact.data.prepare.work import Hand, Result
from reenact.data.store.writer import param_arrays
from reenact.estimators.base import ParameterRegressor, Points
from reenact.faces.params import FaceParams
from reenact.media.video import Image

STAGE = "parameters"
BATCH = 32
"""Frames that a network is given at once."""


def find_parameters(hands: Sequence[Hand], tools: Tools) -> list[Result | None]:
    """Face parameters of some clips; None for a clip whose fault it is that there are none.

    Fitted, they are those of the kept frames, cameras belong to the stored crop, and `error` (T,) says how far the
    landmarks are off, as a fraction of the inter-ocular distance. Estimated, they are those of all frames of the shot,
    and cameras belong to the square around the whole frame. What a network says of a frame in which the face was not
    seen is what it says of its neighbours.
    """
    if tools.regressor is None:
        return [_fit_parameters(hand, tools) for hand in hands]
    return _estimate_parameters(hands, tools.regressor)


def _fit_parameters(hand: Hand, tools: Tools) -> Result | None:
    result = None
    with hand.blamed(STAGE):
        params, error = fit_track(kept_track(hand), tools.face_model, [crop_of(hand)])
        result = Result({}, {"error": error, **param_arrays(params)})
    return result


def _estimate_parameters(hands: Sequence[Hand], regressor: ParameterRegressor) -> list[Result | None]:
    batch = _Batch(regressor, len(hands))
    for number, hand in enumerate(hands):
        with hand.blamed(STAGE):
            shot = shot_of(hand)
            visible_rows = shot.rows(np.flatnonzero(shot.visible))
            for image, points in zip(frames_at(hand, visible_rows.frames), visible_rows.landmarks, strict=True):
                batch.add(number, image, points)
    batch.run()
    return [
        None if hand.reason else Result({}, _fill_gaps(shot_of(hand).visible, batch.found[number]))
        for number, hand in enumerate(hands)
    ]


def estimate_track(track: FaceTrack, images: Iterable[Image], regressor: ParameterRegressor) -> FaceParams:
    """Parameters of a face that was followed, by a network; frames without the face have those of their neighbours.

    Args:
        track: T frames.
        images: The T frames (H, W, 3) again, taken one at a time.
        regressor: The network.

    Returns:
        T rows; cameras belong to the square around the whole frame.
    """
    batch = _Batch(regressor, 1)
    for image, points, visible in zip(images, track.landmarks, track.visible, strict=True):
        if visible:
            batch.add(0, image, points)
    batch.run()
    return params_of(_fill_gaps(track.visible, batch.found[0]))


class _Batch:
    """Gathers frames of several clips, and hands their parameters back clip by clip."""

    def __init__(self, regressor: ParameterRegressor, clips: int) -> None:
        self.found: list[list[dict[str, NDArray[np.float32]]]] = [[] for _ in range(clips)]
        """One entry a frame."""
        self._regressor = regressor
        self._waiting: list[tuple[int, Image, Points]] = []

    def add(self, clip: int, image: Image, points: Points) -> None:
        self._waiting.append((clip, image, points))
        if len(self._waiting) == BATCH:
            self.run()

    def run(self) -> None:
        if not self._waiting:
            return
        clips, images, points = zip(*self._waiting, strict=True)
        self._waiting = []
        arrays = param_arrays(self._regressor.regress(list(images), np.stack(points)))
        for row, clip in enumerate(clips):
            self.found[clip].append({name: array[row] for name, array in arrays.items()})


def _fill_gaps(
    visible: NDArray[np.bool_], frames: list[dict[str, NDArray[np.float32]]]
) -> dict[str, NDArray[np.float32]]:
    """Parameters of every frame from those of the frames that show the face."""
    visible_rows, every = np.flatnonzero(visible), np.arange(len(visible))
    arrays = {}
    for name in frames[0]:
        values = np.stack([frame[name] for frame in frames])
        columns = [np.interp(every, visible_rows, column) for column in values.reshape(len(visible_rows), -1).T]
        arrays[name] = np.stack(columns, 1).reshape(len(every), *values.shape[1:]).astype(np.float32)
    return arrays
