"""Windows that slide over the frames of a video, for methods that read the motion on either side of a frame."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

import torch
from torch import Tensor

State = TypeVar("State")


class WindowSlider(Generic[State]):
    """Batches of consecutive frames in, the same batches out with the window of each frame, as soon as it is complete.

    It keeps the vectors of a window and of the batches that wait.

    Args:
        radius: frames on either side; at the ends of the video the first and the last frame are repeated.
    """

    def __init__(self, radius: int) -> None:
        self._radius = radius
        self._waiting: deque[tuple[State, int]] = deque()
        self._vectors: Tensor | None = None

    def add(self, state: State, vectors: Tensor) -> Iterator[tuple[State, Tensor]]:
        """Take the next frames, and yield the batches that are complete.

        Args:
            state: source of the batch, passed through.
            vectors: numbers (B, K) of each frame, or windows (B, 2 radius + 1, K), whose middle frames are taken.

        Returns:
            States with windows (B, 2 radius + 1, K).
        """
        vectors = vectors if vectors.ndim == 2 else vectors[:, vectors.shape[1] // 2]
        if self._vectors is None:
            self._vectors = vectors[:1].expand(self._radius, -1)
        self._vectors = torch.cat((self._vectors, vectors))
        self._waiting.append((state, len(vectors)))
        while self._waiting and len(self._vectors) >= self._waiting[0][1] + 2 * self._radius:
            yield self._take_first()

    def finish(self) -> Iterator[tuple[State, Tensor]]:
        """Yield the batches that wait for frames after the last one."""
        if self._vectors is not None:
            self._vectors = torch.cat((self._vectors, self._vectors[-1:].expand(self._radius, -1)))
        while self._waiting:
            yield self._take_first()

    def _take_first(self) -> tuple[State, Tensor]:
        """Return the first batch that waits with its windows, and forget the frames that no later one reads."""
        assert self._vectors is not None
        state, count = self._waiting.popleft()
        windows = self._vectors[: count + 2 * self._radius].unfold(0, 2 * self._radius + 1, 1).transpose(1, 2)
        self._vectors = self._vectors[count:]
        return state, windows
