"""Where samplers get frames from: the contract, and the store as one of its keepers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from reenact.data.store import ClipIndex, Store
from reenact.faces.portrait import Portrait


class ClipSource(Protocol):
    """Clips that can be read by number; copied into worker processes, so it holds no open file."""

    index: ClipIndex
    """Which clips there are; `read` takes the numbers in `index.ids`."""

    def read(self, clip: int, frames: Sequence[int]) -> Portrait:
        """Read N frames of a clip: a batch of N portraits, with N names of identity and clip."""


@dataclass(frozen=True)
class Carries:
    """What the portraits of a data set have, to be held against what a method needs."""

    params: bool = False
    landmarks: bool = False
    texture: bool = False
    light: bool = False
    clip_length: int = 1


class StoreClips:
    """One split of a store.

    Args:
        store: The store.
        index: Which of its clips.
        size: Side of the images in pixels.
    """

    def __init__(self, store: Store, index: ClipIndex, size: int) -> None:
        self.index = index
        self._store = store
        self._size = size

    def read(self, clip: int, frames: Sequence[int]) -> Portrait:
        """Read N frames of a clip; raises `ReenactError` naming the clip where its files are damaged."""
        return self._store.read(self._store.clip(int(clip)), frames, self._size)


def carries(fields: tuple[str, ...], clip_length: int) -> Carries:
    """What a store with these arrays carries."""
    return Carries(
        params="shape" in fields,
        landmarks="landmarks" in fields,
        texture="texture" in fields,
        light="light" in fields,
        clip_length=clip_length,
    )
