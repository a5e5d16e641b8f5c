"""Clips in memory whose pixels and parameters follow from their numbers, the same on every machine."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from reenact.data.clips import ClipSource
from reenact.data.datamodules.base import ReenactmentDataModule
from reenact.data.store.clip_table import ClipIndex
from reenact.faces.contents import Contents
from reenact.faces.params import FaceParams
from reenact.faces.portrait import Portrait
from reenact.faces.windows import list_window

LENGTHS = (12, 7, 30, 2, 15, 40, 9, 100)
WIDTHS = {"shape": 3, "expression": 2, "global_pose": 3, "neck_pose": 3, "jaw_pose": 3, "eye_pose": 6, "camera": 3}


class CountedClips:
    """Clips of some identities with two clips each, where they have two.

    Args:
        first: Number of the first identity.
        count: Number of identities.
        size: Side of the images.
    """

    def __init__(self, first: int, count: int, size: int) -> None:
        self.first, self.size = first, size
        lengths = np.array([LENGTHS[number % len(LENGTHS)] for number in range(2 * first, 2 * (first + count))])
        self.index = ClipIndex(np.arange(2 * count), np.arange(2 * count) // 2, lengths.astype(np.int64))

    def find(self, name: str) -> int | None:
        names = [f"p{self.first + clip // 2}#{clip}" for clip in range(len(self.index.ids))]
        return names.index(name) if name in names else None

    def params(self, clip: int, frames: Sequence[int]) -> FaceParams:
        rows = torch.tensor(list(frames), dtype=torch.float32)[:, None]
        return FaceParams(
            **{
                name: rows + 1000 * clip + torch.arange(width) / 8 + number
                for number, (name, width) in enumerate(WIDTHS.items())
            }
        )

    def read(self, clip: int, frames: Sequence[int], window: int = 0) -> Portrait:
        count, side = len(frames), self.size
        numbers = np.array(frames)[:, None, None, None] * 7 + clip * 31
        pixels = np.arange(3 * side * side).reshape(1, 3, side, side)
        points = torch.arange(68 * 2).reshape(1, 68, 2) / 16 + torch.tensor(list(frames))[:, None, None]
        return Portrait(
            image=torch.from_numpy(((numbers + pixels) % 256).astype(np.uint8)),
            params=self.params(clip, frames),
            landmarks=points,
            window=self._read_window(clip, frames, window) if window else None,
            frame=torch.tensor(list(frames)),
            identity=[f"p{self.first + clip // 2}"] * count,
            clip=[f"p{self.first + clip // 2}#{clip}"] * count,
        )

    def _read_window(self, clip: int, frames: Sequence[int], window: int) -> FaceParams:
        around = list_window(frames, window, int(self.index.num_frames[clip]))
        params = self.params(clip, around.flatten().tolist())
        return params.map(lambda tensor: tensor.unflatten(0, around.shape))


class CountedData(ReenactmentDataModule):
    """Five identities to train on, three to test on; arguments as of `ReenactmentDataModule`."""

    def __init__(self, size: int = 4, batch_size: int = 6, num_workers: int = 0, **settings: object) -> None:
        super().__init__(size, batch_size, num_workers, jitter=0.0, **settings)  # type: ignore[arg-type]

    @property
    def face_model(self) -> str:
        return "head"

    def describe(self) -> Contents:
        return Contents(params=True, landmarks=True)

    def train_clips(self) -> ClipSource:
        return CountedClips(0, 5, self.size)

    def test_clips(self) -> ClipSource:
        return CountedClips(5, 3, self.size)
