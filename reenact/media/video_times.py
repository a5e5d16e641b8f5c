"""Times at which the pictures of a video are on display, by their time stamps; no header is trusted."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reenact.errors import ReenactError

MAX_RATE = 1000
"""Largest frame rate in frames per second."""
MAX_STILL = 600
"""Seconds for which one picture may stay on display."""
MAX_DURATION = 24 * 3600
"""Longest duration in seconds."""
_DEFAULT_RATE = Fraction(25)


def check_times(path: Path, times: NDArray[np.int64], tick: Fraction) -> None:
    """Refuse display times that no clip has.

    Args:
        path: Names the file in errors.
        times: (m,) sorted times in ticks.
        tick: Seconds.

    Raises:
        ReenactError: if a picture stays longer than `MAX_STILL`, or the file lasts longer than `MAX_DURATION`.
    """
    longest = int(np.diff(times).max(initial=0)) * tick
    if longest > MAX_STILL:
        raise ReenactError(
            f"holds one picture for {float(longest):,.0f} s, and at most {MAX_STILL} s are read",
            subject=path,
            remedy="cut it at that gap",
        )
    length = int(times[-1] - times[0]) * tick
    if length > MAX_DURATION:
        raise ReenactError(
            f"lasts {float(length):,.0f} s, and at most {MAX_DURATION:,} s are read",
            subject=path,
            remedy="cut it into parts",
        )


def frame_rate(path: Path, times: NDArray[np.int64], tick: Fraction, stated: list[Fraction]) -> Fraction:
    """Frames per second: the stated rate that the time stamps bear out, else their average.

    Args:
        path: Names the file in errors.
        times: (m,) sorted times in ticks.
        tick: Seconds.
        stated: Rates that the header states, the best first.

    Raises:
        ReenactError: if the rate is above `MAX_RATE`.
    """
    sane = [rate for rate in stated if Fraction(1, MAX_STILL) <= rate <= MAX_RATE]
    span = int(times[-1] - times[0]) * tick
    if span == 0:
        return next(iter(sane), _DEFAULT_RATE)
    for rate in sane:
        if is_constant(times, tick, rate):
            return rate
    average = (len(times) - 1) / span
    rounded = max(average.limit_denominator(1001), Fraction(1, MAX_STILL))
    if rounded <= MAX_RATE and is_constant(times, tick, rounded):
        return rounded
    if average > MAX_RATE:
        raise ReenactError(
            f"has {float(average):,.0f} frames a second, and at most {MAX_RATE:,} are read",
            subject=path,
            remedy="write it at its true rate",
        )
    nominal = next((rate for rate in sane if average <= rate <= 2 * average), None)
    return nominal or rounded


def is_constant(times: NDArray[np.int64], tick: Fraction, fps: Fraction) -> bool:
    """Tell whether reading at a rate gives every picture once: each stands within half a frame of its turn."""
    turns = (times - times[0]) * float(tick) * float(fps)
    return bool(np.abs(turns - np.arange(len(times))).max() < 0.49)


def pictures_at(
    times: NDArray[np.int64], tick: Fraction, last: Fraction, fps: Fraction, first: int = 0, end: int | None = None
) -> NDArray[np.int64]:
    """The picture on display at the middle of each frame of a constant rate.

    Args:
        times: (m,) sorted times in ticks.
        tick: Seconds.
        last: Seconds for which the last picture stays.
        fps: The rate.
        first: The first frame.
        end: One after the last frame; that of the video by default, and never more.

    Returns:
        (end - first,) numbers of pictures; frame k shows the one on display at (k + 1/2) / fps.
    """
    count = count_frames(times, tick, last, fps)
    step = 1 / (2 * fps * tick)
    numbers = range(first, count if end is None else min(end, count))
    middles = [(2 * number + 1) * step.numerator // step.denominator for number in numbers]
    pictures = np.searchsorted(times - times[0], np.array(middles, np.int64), side="right") - 1
    return pictures.astype(np.int64)


def count_frames(times: NDArray[np.int64], tick: Fraction, last: Fraction, fps: Fraction) -> int:
    """Frames of a video at a constant rate, by the arguments of `pictures_at`."""
    end = int(times[-1] - times[0]) * tick + last
    return max(1, math.ceil(end * fps - Fraction(1, 2)))
