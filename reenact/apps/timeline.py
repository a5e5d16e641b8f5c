"""Frames of source and driving clip that meet in every frame of the result."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from reenact.errors import ReenactError

Length = Literal["driving", "source", "min"]
"""Clip that sets the length of the result; the other one repeats its last frame where it is shorter."""
Item = TypeVar("Item")
STILL_FPS = Fraction(25)
"""Frame rate of a video made of still pictures alone."""


@dataclass(frozen=True)
class Timeline:
    """The frames of the result, in order."""

    fps: Fraction
    driving: NDArray[np.int64]
    """(N,) frame numbers of the driving clip, never falling."""
    source: NDArray[np.int64]
    """(N,) frame numbers of the source clip, never falling."""

    def __len__(self) -> int:
        """Frames of the result."""
        return len(self.driving)

    def part(self, start: int, count: int) -> Timeline:
        """At most `count` frames from `start` on."""
        return Timeline(self.fps, self.driving[start : start + count], self.source[start : start + count])

    def keep(self, mask: NDArray[np.bool_]) -> Timeline:
        """Only the frames where the (N,) mask holds."""
        return Timeline(self.fps, self.driving[mask], self.source[mask])

    def split_shots(self, driving_cuts: Sequence[int], source_cuts: Sequence[int]) -> list[Timeline]:
        """Split the frames at the cuts of either clip.

        Args:
            driving_cuts: Rising numbers of the driving frames that begin a shot.
            source_cuts: The same of the source.
        """
        begins = np.zeros(len(self), np.bool_)
        for numbers, cuts in ((self.driving, driving_cuts), (self.source, source_cuts)):
            shots = np.searchsorted(np.array(cuts, np.int64), numbers, side="right")
            begins[1:] |= np.diff(shots) != 0
        edges = [0, *np.flatnonzero(begins).tolist(), len(self)]
        return [self.part(start, end - start) for start, end in itertools.pairwise(edges)]


def make_timeline(
    driving: tuple[int, Fraction | None], source: tuple[int, Fraction | None], length: Length
) -> Timeline:
    """Match two clips by time, at the driving clip's rate (the source's where the driving is a still).

    Args:
        driving: Frames and rate of the driving clip; the rate is None for a still picture.
        source: The same of the source.
        length: Which one ends the result; a still never does.

    Raises:
        ReenactError: if a still is asked to say the length of a clip.
    """
    for name, (_, rate), (_, other) in (("driving", driving, source), ("source", source, driving)):
        if length == name and rate is None and other is not None:
            raise ReenactError(f"--length {name}: the {name} is a still picture; use min")
    fps = driving[1] or source[1] or STILL_FPS
    counts = [_count_frames(clip, fps) for clip in (driving, source)]
    ends = {"driving": counts[:1], "source": counts[1:], "min": counts}[length]
    total = min((count for count in ends if count is not None), default=1)
    times = [(2 * k + 1) / (2 * fps) for k in range(total)]
    return Timeline(fps, _frames_at(driving, times), _frames_at(source, times))


def _count_frames(clip: tuple[int, Fraction | None], fps: Fraction) -> int | None:
    """Frames at rate `fps` that a clip lasts, or None for a still."""
    count, rate = clip
    return None if rate is None else max(1, round(count * fps / rate))


def _frames_at(clip: tuple[int, Fraction | None], times: list[Fraction]) -> NDArray[np.int64]:
    """The frame numbers on display at some times, in seconds."""
    count, rate = clip
    return np.array([min(int(time * (rate or 0)), count - 1) for time in times], np.int64)


def pick_items(items: Iterable[Item], numbers: NDArray[np.int64]) -> Iterator[Item]:
    """The items of a stream by rising number, repeats included; holds one item.

    Raises:
        ValueError: if the stream ends before the last number.
    """
    chosen_numbers = numbers.tolist()
    place = 0
    for number, item in enumerate(items):
        while place < len(chosen_numbers) and chosen_numbers[place] == number:
            yield item
            place += 1
        if place == len(chosen_numbers):
            return
    raise ValueError(f"the stream has no item {chosen_numbers[place]}")
