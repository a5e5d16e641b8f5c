"""Choice of the frames of a training sample: the source's, then the driving ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reenact.faces.contents import Contents


def count_least_frames(form: Contents, min_distance: int = 0) -> int:
    """Number of frames that a clip must have for a training sample."""
    return max(2, _span(form) + min_distance)


def draw_frames(num_frames: int, form: Contents, min_distance: int, draw: np.random.Generator) -> list[int]:
    """Draw the frame of the source and the T driving frames of a clip, the latter in ascending order.

    Args:
        num_frames: Length of the clip, at least `count_least_frames`.
        form: Number of driving frames and the stride between them.
        min_distance: Least distance in frames between the source and each driving frame; 0 lets the source of a driving
            clip be any frame, and that of a single driving frame any other.
        draw: The sample's random numbers.
    """
    if min_distance:
        return _draw_apart(num_frames, form, min_distance, draw)
    if form.clip_length == 1:
        return [int(frame) for frame in draw.choice(num_frames, 2, replace=False)]
    if form.clip_stride == 0:
        driving = np.sort(draw.choice(num_frames, form.clip_length, replace=False)).tolist()
    else:
        driving = _list_steps(int(draw.integers(num_frames - _span(form) + 1)), form)
    return [int(draw.integers(num_frames)), *driving]


def list_around(start: int, num_frames: int, form: Contents) -> range:
    """Frames of a clip around one, which is among them: as many as a sample has, or as the clip has at the stride.

    Args:
        start: The frame.
        num_frames: Length of the clip.
        form: Number of frames, and the stride between those of tests.
    """
    stride = form.test_stride
    after = (num_frames - 1 - start) // stride
    before = min(start // stride, max(form.clip_length // 2, form.clip_length - 1 - after))
    first = start - before * stride
    return range(first, first + min(form.clip_length, before + 1 + after) * stride, stride)


def _draw_apart(num_frames: int, form: Contents, distance: int, draw: np.random.Generator) -> list[int]:
    """Draw a source that leaves room for the driving frames, then those."""
    frames = np.arange(num_frames)
    counts = [len(_list_starts(source, frames, form, distance)) for source in range(num_frames)]
    least = form.clip_length if form.clip_stride == 0 else 1
    source = int(draw.choice(np.flatnonzero(np.array(counts) >= least)))
    starts = _list_starts(source, frames, form, distance)
    if form.clip_stride == 0:
        return [source, *np.sort(draw.choice(starts, form.clip_length, replace=False)).tolist()]
    return [source, *_list_steps(int(draw.choice(starts)), form)]


def _list_starts(source: int, frames: NDArray[np.int64], form: Contents, distance: int) -> NDArray[np.int64]:
    """First driving frames that keep all driving frames at a distance from a source."""
    last = frames + (1 if form.clip_stride == 0 else _span(form)) - 1
    return frames[(last < len(frames)) & ((frames - source >= distance) | (source - last >= distance))]


def _list_steps(start: int, form: Contents) -> list[int]:
    return list(range(start, start + _span(form), max(1, form.clip_stride)))


def _span(form: Contents) -> int:
    """Frames from the first driving frame to the last, both included, at the least."""
    return form.clip_length if form.clip_stride == 0 else (form.clip_length - 1) * form.clip_stride + 1
