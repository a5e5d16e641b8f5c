"""Smoothing of motions over a video (`src/utils/filter.py`): a random walk seen with noise, filtered both ways."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, Final, TypeVar

import torch
from torch import Tensor

from reenact.models.common.base import SourceState
from reenact.models.liveportrait.motion import PortraitMotion

State = TypeVar("State", bound=SourceState)

STEP_VARIANCE: Final = 1e-5
"""Variance of a value's step from frame to frame."""
START_VARIANCE: Final = 1.0
"""Variance of a value before the first frame, about the first frame's."""
SMOOTHED: Final = ("rotation", "expression")
"""Fields of the motion that are smoothed."""


def smooth_frames(
    frames: Iterable[tuple[State, PortraitMotion]], variance: float
) -> Iterator[tuple[State, PortraitMotion]]:
    """Smooth the motion of a moving source over a whole video; that of a still one passes as it comes.

    Args:
        frames: batches of consecutive frames, as of `Reenactor.play`.
        variance: as of `smooth_values`.
    """
    iterator = iter(frames)
    batches = list(itertools.islice(iterator, 2))
    is_still = len(batches) == 2 and batches[0][0] is batches[1][0]
    if is_still or all(len(state.motion.first_tensor()) < len(motion.scale) for state, motion in batches):
        yield from itertools.chain(batches, iterator)
        return
    batches += iterator
    whole = PortraitMotion.cat([motion for _, motion in batches])
    source = PortraitMotion.cat([_expand_motion(state, motion) for state, motion in batches])
    smoothed, start = smooth_motion(whole, source, variance), 0
    for state, motion in batches:
        yield state, smoothed[start : start + len(motion.scale)]
        start += len(motion.scale)


def _expand_motion(state: SourceState, motion: PortraitMotion) -> PortraitMotion:
    assert isinstance(state.motion, PortraitMotion)
    return state.motion.map(lambda value: value.expand(len(motion.scale), *value.shape[1:]))


def smooth_values(values: Tensor, variance: float) -> Tensor:
    """Smooth each value of frames (T, ...) by a Kalman filter and the pass back of Rauch, Tung and Striebel.

    Args:
        values: the frames in order.
        variance: of the noise; small ones hardly smooth.
    """
    series = values.double()
    means, spreads = [series[0]], [START_VARIANCE * variance / (START_VARIANCE + variance)]
    for observation in series[1:]:
        predicted = spreads[-1] + STEP_VARIANCE
        gain = predicted / (predicted + variance)
        means.append(means[-1] + gain * (observation - means[-1]))
        spreads.append((1 - gain) * predicted)
    for index in range(len(means) - 2, -1, -1):
        gain = spreads[index] / (spreads[index] + STEP_VARIANCE)
        means[index] = means[index] + gain * (means[index + 1] - means[index])
    return torch.stack(means).to(values)


def smooth_motion(motion: PortraitMotion, source: PortraitMotion, variance: float) -> PortraitMotion:
    """Smooth rotation and expression of frames (T); values that are the source's own in every frame stay.

    Rotations are smoothed entry by entry, as in the official code, and are none afterwards, strictly.

    Args:
        motion: what the source is moved by.
        source: its own motion in the same frames.
        variance: of the noise.
    """
    changes: dict[str, Any] = {}
    for name in SMOOTHED:
        values, start = getattr(motion, name), getattr(source, name)
        moves = (values != start).any(0)
        changes[name] = torch.where(moves, smooth_values(values, variance), values)
    return replace(motion, **changes)
