"""Motion of source videos over time: smoothed, with the eyes of the first frame.

Smoothing is that of `src/utils/filter.py`: a random walk seen with noise, filtered both ways.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, Final, TypeVar

import torch
from torch import Tensor

from reenact.models.common.base import SourceState
from reenact.models.liveportrait.motion import LivePortraitState, PortraitMotion
from reenact.models.liveportrait.retargeting import StitchingNetworks

State = TypeVar("State", bound=SourceState)

STEP_VARIANCE: Final = 1e-5
"""Variance of a value's step from frame to frame."""
START_VARIANCE: Final = 1.0
"""Variance of a value before the first frame, about the first frame's."""
CLOSED_EYES: Final = 0.18
"""Opening below which the eyes of the first frame count as closed (`source_video_eye_retargeting_threshold`)."""
OPEN_EYES: Final = 0.39
"""Opening that they get then."""
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
    moves, frames = _find_moving(frames)
    if not moves:
        yield from frames
        return
    batches = list(frames)
    whole = PortraitMotion.cat([motion for _, motion in batches])
    source = PortraitMotion.cat([_expand_motion(state, motion) for state, motion in batches])
    smoothed, start = smooth_motion(whole, source, variance), 0
    for state, motion in batches:
        yield state, smoothed[start : start + len(motion.scale)]
        start += len(motion.scale)


def keep_first_eyes(
    frames: Iterable[tuple[LivePortraitState, PortraitMotion]], networks: StitchingNetworks
) -> Iterator[tuple[LivePortraitState, PortraitMotion]]:
    """Open the eyes of a moving source as far as in the first frame; frames of a still one pass as they come.

    Args:
        frames: batches of consecutive frames, as of `Reenactor.play`.
        networks: give the offsets.
    """
    moves, frames = _find_moving(frames)
    target: Tensor | None = None
    for state, motion in frames:
        if moves:
            eyes = state.motion.openings[..., :2]
            if target is None:
                first = eyes[:1].mean(-1, keepdim=True)
                target = torch.where(first < CLOSED_EYES, torch.full_like(first, OPEN_EYES), first)
            offsets = networks.eye_offsets(state.keypoints, eyes, target)
            motion = replace(motion, calm_offsets=motion.calm_offsets + offsets)
        yield state, motion


def _find_moving(frames: Iterable[tuple[State, PortraitMotion]]) -> tuple[bool, Iterator[tuple[State, PortraitMotion]]]:
    """Tell whether the source of a video moves, which has a state of its own for each frame; and the same frames."""
    iterator = iter(frames)
    batches = list(itertools.islice(iterator, 2))
    moves = any(len(state.motion.first_tensor()) > 1 for state, _ in batches) or (
        len(batches) == 2 and batches[0][0] is not batches[1][0]
    )
    return moves, itertools.chain(batches, iterator)


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
