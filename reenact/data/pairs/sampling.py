"""Pairs and clips for training, lists of pairs for testing: all drawn from the seed and the sample's number alone.

So what a run sees depends on (seed, epoch, rank) and neither on the number of workers nor on what was loaded before,
and a run that resumes in the middle of an epoch goes on with what would have come.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset, DistributedSampler

from reenact.data.clips import ClipSource
from reenact.data.pairs.broken_clips import ATTEMPTS, BrokenClips
from reenact.data.pairs.frames import count_least_frames, draw_frames
from reenact.data.store.clip_table import ClipIndex
from reenact.errors import ReenactError
from reenact.faces.contents import EVERYTHING, Contents
from reenact.faces.landmarks import mirror_landmarks
from reenact.faces.params import FaceParams
from reenact.faces.portrait import Portrait, PortraitPair


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
            raise ReenactError(f"No clip has the {least} frames that training needs; prepare longer clips")
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
        driving = portraits[1] if self._form.clip_length == 1 else _as_clip(portraits[1:])
        return PortraitPair(source=portraits[0], driving=driving)


class EpochSampler(DistributedSampler[Any]):
    """Numbers the samples of a run: one endless sequence, of which ranks take turns and epochs are sections.

    An iterator starts where the run stands and ends with its section, so a resumed run goes on with the samples that
    would have come.

    Args:
        dataset: What is sampled.
        samples: Samples per epoch over all ranks, a multiple of `world`.
        rank: This process.
        world: Number of processes.
        done: Samples of this process that the run has trained on so far, asked whenever an iterator starts. Epochs
            can't serve: Lightning counts one too many when it resumes from the end of an epoch.
    """

    def __init__(
        self,
        dataset: Dataset[PortraitPair],
        samples: int,
        rank: int = 0,
        world: int = 1,
        position: Callable[[], int] = lambda: 0,
    ) -> None:
        self._samples = samples
        self._position = position
        # Lightning leaves a DistributedSampler alone; its own order is not used.
        super().__init__(dataset, num_replicas=world, rank=rank, shuffle=False)

    def __iter__(self) -> Iterator[int]:
        start = self._position() * self.num_replicas
        # Always an epoch's worth: Lightning counts the batches, and ends a resumed or limited epoch itself.
        return iter(range(start + self.rank, start + self._samples, self.num_replicas))

    def __len__(self) -> int:
        # Of a whole epoch, also where the first is shortened: Lightning counts the batches before it itself.
        return self._samples // self.num_replicas


class RankSampler(DistributedSampler[Any]):
    """The share of a rank in a test set: every sample once over all ranks, so that one may have one more than another.

    Torch's own sampler repeats samples until all ranks have equally many, and metrics would count them twice.

    Args:
        dataset: What is sampled.
        rank: This process.
        world: Number of processes.
    """

    def __init__(self, dataset: TestPairs, rank: int, world: int) -> None:
        # Lightning leaves a DistributedSampler alone; its own order is not used.
        super().__init__(dataset, num_replicas=world, rank=rank, shuffle=False)
        self._numbers = range(rank, len(dataset), world)

    def __iter__(self) -> Iterator[int]:
        return iter(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)


WHOLE = -1
"""In place of a driving frame: all frames of the clip, as one video."""


@dataclass(frozen=True)
class PairList:
    """P test pairs as numbers of clips and frames."""

    table: NDArray[np.int64]
    """(P, 4): source clip, source frame, driving clip, driving frame or `WHOLE`."""


class TestPairs(Dataset[PortraitPair]):
    """Dataset of the pairs of a list.

    A method of clips gets a driving frame together with the frames of its clip around it, as many as its samples have
    or as the clip has, and all frames of a clip that is driven as a whole.

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
            return PortraitPair(source=source, driving=_as_clip(self._clips.read(clip, range(length), window)))
        first = max(0, min(start - self._form.clip_length // 2, length - self._form.clip_length))
        frames = range(first, min(first + self._form.clip_length, length))
        around = self._clips.read(clip, frames, window)
        return PortraitPair(source=source, driving=around[start - first], around=_as_clip(around))


def self_pairs(index: ClipIndex, count: int, seed: int) -> PairList:
    """Pairs of two different frames of one clip, each pair in both directions (PWM, section 4).

    Args:
        index: The clips; each is visited once before one is visited again.
        count: Number of pairs.
        seed: Start of the draws.
    """
    draw = np.random.default_rng([seed, 2])
    rows: list[tuple[int, int, int, int]] = []
    while len(rows) < count:
        for row in draw.permutation(len(index.ids))[: math.ceil((count - len(rows)) / 2)]:
            clip, frames = int(index.ids[row]), int(index.num_frames[row])
            first, second = _draw_two(frames, draw)
            rows += [(clip, first, clip, second), (clip, second, clip, first)]
    return PairList(np.array(rows[:count], np.int64))


def cross_pairs(index: ClipIndex, count: int, seed: int, sources: ClipIndex | None = None) -> PairList:
    """Pairs of two identities, drawn evenly over the source clips; an empty list where there is one identity.

    Args:
        index: The clips.
        count: Number of pairs.
        seed: Start of the draws.
        sources: The source clips, where they are others, whose identities are all different from those of `index`.
    """
    draw = np.random.default_rng([seed, 3])
    rows: list[tuple[int, int, int, int]] = []
    origin = index if sources is None else sources
    everybody = np.arange(len(index.ids))
    if sources is None and len(np.unique(index.identities)) < 2:
        return PairList(np.zeros((0, 4), np.int64))
    while len(rows) < count:
        for source in draw.permutation(len(origin.ids))[: count - len(rows)]:
            others = np.flatnonzero(index.identities != index.identities[source]) if sources is None else everybody
            driving = draw.choice(others)
            start = draw.integers(index.num_frames[driving])
            frame = draw.integers(origin.num_frames[source])
            rows.append((int(origin.ids[source]), int(frame), int(index.ids[driving]), int(start)))
    return PairList(np.array(rows, np.int64))


def held_out_split(index: ClipIndex, split: str, share: float, seed: int) -> ClipIndex:
    """The part of an index that belongs to a split when identities are held out for `test`.

    From four identities on at least two are held out, so that there are cross pairs; a single identity is both.

    Args:
        index: All clips.
        split: `train` or `test`.
        share: Share of the identities to hold out.
        seed: Start of the draw.
    """
    count = int(index.identities.max(initial=-1)) + 1
    if count < 2:
        return index
    least = 2 if count > 3 else 1
    chosen = np.random.default_rng([seed, 5]).permutation(count)[: max(least, round(share * count))]
    keep = np.isin(index.identities, chosen) == (split == "test")
    return index.select(keep)


def choose_clips(index: ClipIndex, count: int | None, seed: int) -> ClipIndex:
    """Draw some clips of as many identities as possible, in the order of the index; all where `count` is None."""
    if count is None or len(index.ids) <= count:
        return index
    order = np.random.default_rng([seed, 6]).permutation(len(index.ids))
    turn = _count_earlier_clips(index.identities[order])
    return index.select(np.sort(order[np.argsort(turn, kind="stable")[:count]]))


def _count_earlier_clips(identities: NDArray[np.int64]) -> NDArray[np.int64]:
    """(N,) number of earlier clips with the same identity, for each clip."""
    order = np.argsort(identities, kind="stable")
    _, starts, counts = np.unique(identities[order], return_index=True, return_counts=True)
    turns = np.empty(len(order), np.int64)
    turns[order] = np.arange(len(order)) - np.repeat(starts, counts)
    return turns


def mirror(portrait: Portrait, mirrored: bool) -> Portrait:
    """Mirror portraits about the vertical middle, or only record that they are as they were.

    The parameters stay as fitted; `FaceParams.mirrored` tells the face model to mirror the posed mesh.
    """
    params, window = _mark_mirrored(portrait.params, mirrored), _mark_mirrored(portrait.window, mirrored)
    portrait = replace(portrait, params=params, window=window)
    if not mirrored:
        return portrait
    landmarks, mask = portrait.landmarks, portrait.mask
    if landmarks is not None:
        landmarks = mirror_landmarks(landmarks, portrait.image.shape[-1])
    if mask is not None:
        mask = mask.flip(-1)
    return replace(portrait, image=portrait.image.flip(-1), landmarks=landmarks, mask=mask)


def _mark_mirrored(params: FaceParams | None, mirrored: bool) -> FaceParams | None:
    return params and replace(params, mirrored=torch.full(params.camera.shape[:-1], mirrored))


def collate(pairs: list[PortraitPair]) -> PortraitPair:
    """Stack samples into a batch."""
    return PortraitPair.stack(pairs)


def _as_clip(portraits: Portrait) -> Portrait:
    """A batch of T pictures of one clip as one sample of T frames."""
    return replace(portraits, identity=portraits.identity[:1], clip=portraits.clip[:1])


def _draw_two(frames: int, draw: np.random.Generator) -> tuple[int, int]:
    """Draw two different frames; one twice where there is no other."""
    if frames < 2:
        return 0, 0
    first = int(draw.integers(frames))
    return first, int(draw.choice([frame for frame in range(frames) if frame != first]))


@lru_cache(maxsize=4)
def _draw_permutation(seed: int, visit: int, length: int) -> NDArray[np.int64]:
    return np.random.default_rng([seed, 0, visit]).permutation(length)
