"""Windows: each frame of a video together with the frames on either side, of which the ends repeat."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from reenact.faces.fields import TensorFields

Companion = TypeVar("Companion")
Fields = TypeVar("Fields", bound=TensorFields)


def list_window(frames: Sequence[int], window: int, num_frames: int) -> NDArray[np.int64]:
    """List the frames of the window around each of N frames, (N, 2 `window` + 1), within the clip."""
    around = np.asarray(frames, np.int64)[:, None] + np.arange(-window, window + 1)
    within: NDArray[np.int64] = np.clip(around, 0, num_frames - 1)
    return within


def repeat_frame(values: Fields, window: int) -> Fields:
    """Return windows (B, 2 `window` + 1, ...) of values (B, ...) that have no neighbours: each repeats itself."""
    return values.map(lambda value: value[:, None].expand(-1, 2 * window + 1, *value.shape[1:]))


def slide_window(batches: Iterable[tuple[Companion, Fields]], window: int) -> Iterator[tuple[Companion, Fields]]:
    """Turn batches (B, ...) of consecutive frames into batches (B, 2 `window` + 1, ...) of the windows around them.

    A batch leaves as soon as the frames after it are there, so that memory does not grow with the video.

    Args:
        batches: Batches in the order of time, each with a companion that stays with it.
        window: Frames on either side.
    """
    waiting: deque[tuple[Companion, int]] = deque()
    near: Fields | None = None
    first = place = 0  # frame numbers of the first row of `near`, and of the first frame that waits
    for companion, values in batches:
        near = values if near is None else type(near).cat([near, values])
        waiting.append((companion, len(values.first_tensor())))
        end = first + len(near.first_tensor())
        while waiting and place + waiting[0][1] + window <= end:
            companion, count = waiting.popleft()
            yield companion, _cut_windows(near, range(place - first, place - first + count), window)
            place += count
        unread = max(0, place - window - first)
        near, first = near[unread:], first + unread
    for companion, count in waiting:
        assert near is not None
        yield companion, _cut_windows(near, range(place - first, place - first + count), window)
        place += count


def _cut_windows(near: Fields, rows: Sequence[int], window: int) -> Fields:
    return near[torch.from_numpy(list_window(rows, window, len(near.first_tensor())))]
