"""Pairs and clips for training and testing, each drawn from the seed and the sample's number alone.

So what a run sees depends on (seed, epoch, rank) and neither on the number of workers nor on what was loaded before,
and a run that resumes in the middle of an epoch goes on with what would have come.
"""

from __future__ import annotations

import itertools
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset

from reenact.data.clips import ClipSource
from reenact.data.pairs.broken_clips import ATTEMPTS, BrokenClips
from reenact.data.pairs.drawn_pairs import WHOLE, PairList, choose_clips
from reenact.data.pairs.frames import count_least_frames, draw_frames, list_around
from reenact.data.pairs.samples import form_clip, mirror
from reenact.errors import ReenactError
from reenact.faces.contents import EVERYTHING, Contents
from reenact.faces.portrait import PortraitPair


class TrainingPairs(Dataset[PortraitPair]):
    """Endless self-reenactment pairs: every pass visits each identity once, in a new order.

    Of an identity a random clip, of the clip two different frames (PWM, `Data/train_data.py`); where a method needs T
    driving frames, one frame as the source and T frames as the driving clip. The sample of a clip that can't be read
    comes from another clip, drawn from the seed and the sample's number.

    Args:
        clips: The frames.
        seed: Start of every random draw.
        flip: Probability that source and driving are both mirrored.
        form: Number of driving frames, their stride, and the window of face parameters.
        min_distance: Least distance in frames between the source and the driving frames; see `frames.draw_frames`.
        most_clips: Number of clips, drawn from the seed over as many identities as possible; all by default.
        max_broken: Share of the clips, rounded up, that may be unreadable.

    Raises:
        ReenactError: if there is no clip to draw from; later, if more clips than the share can't be read.
    """

    def __init__(
        self,
        clips: ClipSource,
        seed: int,
        flip: float,
        form: Contents = EVERYTHING,
        *,
        min_distance: int = 0,
        most_clips: int | None = None,
        max_broken: float = 0.0,
    ) -> None:
        least = count_least_frames(form, min_distance)
        index = choose_clips(clips.index.select(clips.index.num_frames >= least), most_clips, seed)
        if not len(index.ids):
            raise ReenactError(
                f"No clip has the {least} frames that training needs; prepare longer clips, or let the synthetic world"
                f" have them with --data.frames_per_clip {least}"
            )
        self._clips = clips
        self._index = index
        self._seed = seed
        self._flip = flip
        self._form = form
        self._min_distance = min_distance
        order = np.argsort(index.identities, kind="stable")
        self._rows, counts = order, np.bincount(index.identities)
        self._starts = np.concatenate([[0], np.cumsum(counts)])
        self.num_identities = len(counts)
        self.broken = BrokenClips(len(index.ids), max_broken)

    def __len__(self) -> int:
        """Samples of one pass over the identities."""
        return self.num_identities

    def __getitem__(self, number: int) -> PortraitPair:
        """The sample of a number, counted over all epochs and ranks."""
        visit, position = divmod(number, self.num_identities)
        identity = _draw_permutation(self._seed, visit, self.num_identities)[position]
        draw = np.random.default_rng([self._seed, 1, number])
        first, end = int(self._starts[identity]), int(self._starts[identity + 1])
        for attempt in itertools.count(1):
            row = int(self._rows[draw.integers(first, end)])
            frames = draw_frames(int(self._index.num_frames[row]), self._form, self._min_distance, draw)
            try:
                portraits = self._clips.read(int(self._index.ids[row]), frames, self._form.window)
                break
            except ReenactError as error:
                self.broken.mark(row, error)
                if attempt == ATTEMPTS:
                    raise
            draw = np.random.default_rng([self._seed, 8, number, attempt])
            first, end = 0, len(self._rows)
        if self._flip:
            portraits = mirror(portraits, draw.random() < self._flip)
        driving = portraits[1] if self._form.clip_length == 1 else form_clip(portraits[1:])
        return PortraitPair(source=portraits[0], driving=driving)


class TestPairs(Dataset[PortraitPair]):
    """Dataset of the pairs of a list.

    A method of clips gets a driving frame together with the frames of its clip around it (`frames.list_around`), as
    many as its samples have or as the clip has, and all frames of a clip that is driven as a whole.

    Args:
        clips: The driving frames.
        pairs: Which.
        form: Number of driving frames, and the window of face parameters.
        sources: The source frames, where they come from other clips.
        max_broken: Share of the pairs, rounded up, that another pair of the list may stand in for; a test has none.
    """

    __test__ = False  # not a test for pytest to collect

    def __init__(
        self,
        clips: ClipSource,
        pairs: PairList,
        form: Contents = EVERYTHING,
        sources: ClipSource | None = None,
        max_broken: float = 0.0,
    ) -> None:
        self._clips = clips
        self._sources = sources or clips
        self._pairs = pairs
        self._form = form
        self._broken = BrokenClips(len(pairs.table), max_broken, "validation pairs")

    def __len__(self) -> int:
        return len(self._pairs.table)

    def __getitem__(self, number: int) -> PortraitPair:
        if not self._broken.tolerant:
            return self._read(number)
        for attempt in itertools.count(1):
            try:
                return self._read(number)
            except ReenactError as error:
                self._broken.mark(number, error)
                if attempt == ATTEMPTS:
                    raise
            number = int(np.random.default_rng([8, number, attempt]).integers(len(self)))
        raise AssertionError

    def _read(self, number: int) -> PortraitPair:
        source_clip, source_frame, clip, start = (int(value) for value in self._pairs.table[number])
        window = self._form.window
        source = self._sources.read(source_clip, [source_frame], window)[0]
        if self._form.clip_length == 1:
            return PortraitPair(source=source, driving=self._clips.read(clip, [start], window)[0])
        length = self._clips.index.count_frames(clip)
        if start == WHOLE:
            return PortraitPair(source=source, driving=form_clip(self._clips.read(clip, range(length), window)))
        frames = list_around(start, length, self._form)
        around = self._clips.read(clip, frames, window)
        return PortraitPair(source=source, driving=around[frames.index(start)], around=form_clip(around))


@lru_cache(maxsize=4)
def _draw_permutation(seed: int, visit: int, length: int) -> NDArray[np.int64]:
    return np.random.default_rng([seed, 0, visit]).permutation(length)
