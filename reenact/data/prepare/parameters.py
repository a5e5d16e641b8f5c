"""The stage `parameters`: fitted to the landmarks of a clip, or estimated by a network that several clips share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reenact.data.prepare.job import Tools
from reenact.data.prepare.results import crop_of, frames_at, kept_track, shot_of
from reenact.data.prepare.work import Hand, Result
from reenact.data.store.writer import param_arrays
from reenact.estimators.base import ParameterRegressor
from reenact.tracking.parameters import RegressionBatches, fit_track

STAGE = "parameters"


def find_parameters(hands: Sequence[Hand], tools: Tools) -> list[Result | None]:
    """Face parameters of some clips; None for a clip whose fault it is that there are none.

    Fitted, they are those of the kept frames, cameras belong to the stored crop, and `error` (T,) says how far the
    landmarks are off, as a fraction of the inter-ocular distance. Estimated, they are those of all frames of the shot,
    and cameras belong to the square around the whole frame. What a network says of a frame in which the face was not
    seen is what it says of its neighbours.
    """
    if tools.regressor is None:
        return [_fit_parameters(hand, tools) for hand in hands]
    return _regress_parameters(hands, tools.regressor)


def _fit_parameters(hand: Hand, tools: Tools) -> Result | None:
    result = None
    with hand.blamed(STAGE):
        params, error = fit_track(kept_track(hand), tools.face_model, [crop_of(hand)])
        result = Result({}, {"error": error, **param_arrays(params)})
    return result


def _regress_parameters(hands: Sequence[Hand], regressor: ParameterRegressor) -> list[Result | None]:
    batches = RegressionBatches(regressor, len(hands))
    for number, hand in enumerate(hands):
        with hand.blamed(STAGE):
            shot = shot_of(hand)
            visible_rows = shot.rows(np.flatnonzero(shot.visible))
            for image, points in zip(frames_at(hand, visible_rows.frames), visible_rows.landmarks, strict=True):
                batches.add(number, image, points)
    batches.finish()
    return [
        None if hand.reason else Result({}, param_arrays(batches.parameters(number, shot_of(hand).visible)))
        for number, hand in enumerate(hands)
    ]
