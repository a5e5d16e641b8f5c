"""A face through the frames of a file, without their pixels: landmarks, gaps, cuts."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import savgol_filter

from reenact.estimators.base import Points
from reenact.faces.landmarks import inter_ocular_distance

CUT_JUMP = 0.25
"""Mean jump of the landmarks, in inter-ocular distances, that makes such a change a cut."""
SMOOTHING_WINDOW = 5
"""Frames of the quadratic fit that steadies landmarks; short enough for a blink."""


@dataclass(frozen=True, kw_only=True)
class FaceTrack:
    """One face through T frames; no pixels."""

    landmarks: NDArray[np.float32]
    """(T, 68, 2) in frame pixels; where the face was not seen, in between those of its neighbours."""
    visible: NDArray[np.bool_]
    """(T,) whether the face was seen."""
    frames: NDArray[np.int64]
    """(T,) frame numbers in the file."""
    cuts: tuple[int, ...]
    """Rows that begin a new shot."""
    width: int
    """Width of the frames in pixels."""
    height: int

    def __len__(self) -> int:
        """Frames of the track."""
        return len(self.frames)

    def rows(self, which: slice | NDArray[Any]) -> FaceTrack:
        """Some frames of the track, taken as one shot."""
        return replace(
            self,
            landmarks=self.landmarks[which],
            visible=self.visible[which],
            frames=self.frames[which],
            cuts=(),
        )

    def longest_shot(self) -> FaceTrack:
        """The frames between the two cuts that have the most seen faces between them."""
        edges = [0, *self.cuts, len(self)]
        shots = [slice(start, end) for start, end in itertools.pairwise(edges)]
        return self.rows(max(shots, key=lambda shot: int(self.visible[shot].sum())))


def assemble_track(points: list[Points | None], changed: NDArray[np.bool_], width: int, height: int) -> FaceTrack:
    """The track of a face from what was seen of it.

    Args:
        points: Of T frames, at least one of which shows the face, (68, 2) landmarks in frame pixels.
        changed: (T,) whether the frame may begin a new shot; where the landmarks jump as well, it does.
        width: Of the frames, in pixels.
        height: The same.
    """
    visible = np.array([face is not None for face in points], np.bool_)
    cuts = _find_cuts(points, changed)
    landmarks = np.empty((len(points), 68, 2), np.float32)
    for start, end in itertools.pairwise([0, *cuts, len(points)]):
        landmarks[start:end] = _fill_landmarks(points[start:end], points)
    return FaceTrack(
        landmarks=landmarks,
        visible=visible,
        frames=np.arange(len(points)),
        cuts=tuple(cuts),
        width=width,
        height=height,
    )


def _find_cuts(clip: list[Points | None], changed: NDArray[np.bool_]) -> list[int]:
    cuts: list[int] = []
    last: Points | None = None
    pending = False  # the picture has changed since the face was last seen
    for number, points in enumerate(clip):
        pending |= bool(changed[number])
        if points is None:
            continue
        if pending and (last is None or _detect_jump(points, last)):
            cuts.append(number)
        last, pending = points, False
    return cuts


def _detect_jump(points: Points, last: Points) -> bool:
    jump = np.linalg.norm(points - last, axis=-1).mean()
    return bool(jump > CUT_JUMP * inter_ocular_distance(last))


def _fill_landmarks(shot: list[Points | None], clip: list[Points | None]) -> NDArray[np.float32]:
    """Landmarks (T, 68, 2) of one shot, steadied, with gaps filled in along straight lines."""
    visible_numbers = [number for number, points in enumerate(shot) if points is not None]
    if not visible_numbers:
        first = next(points for points in clip if points is not None)
        return np.repeat(first[None], len(shot), axis=0)
    visible_points = np.stack([points for points in shot if points is not None])
    numbers = np.arange(len(shot))
    columns = [
        np.interp(numbers, visible_numbers, column) for column in visible_points.reshape(len(visible_numbers), -1).T
    ]
    filled = np.stack(columns, axis=1).reshape(len(shot), 68, 2)
    if len(shot) >= SMOOTHING_WINDOW:
        filled = savgol_filter(filled, SMOOTHING_WINDOW, polyorder=2, axis=0, mode="interp")
    return filled.astype(np.float32)
