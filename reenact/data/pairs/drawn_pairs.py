"""Lists of test pairs, held-out identities and chosen clips, drawn from a seed."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reenact.data.store.clip_table import ClipIndex

WHOLE = -1
"""In place of a driving frame: all frames of the clip, as one video."""


@dataclass(frozen=True)
class PairList:
    """P test pairs as numbers of clips and frames."""

    table: NDArray[np.int64]
    """(P, 4): source clip, source frame, driving clip, driving frame or `WHOLE`."""


def draw_test_pairs(index: ClipIndex, count: int, seed: int, sources: ClipIndex | None = None) -> dict[str, PairList]:
    """Draw the pairs of the loaders `self` and `cross`; a single identity has no `cross`.

    Args:
        index: The held-out clips.
        count: Number of pairs of each.
        seed: Start of the draws.
        sources: The source clips of `cross`, where they are others.
    """
    lists = {"self": self_pairs(index, count, seed), "cross": cross_pairs(index, count, seed, sources)}
    if not len(lists["cross"].table):
        warnings.warn("the held-out clips show one identity: there is no cross-reenactment loader", stacklevel=2)
        del lists["cross"]
    return lists


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


def _draw_two(frames: int, draw: np.random.Generator) -> tuple[int, int]:
    """Draw two different frames; one twice where there is no other."""
    if frames < 2:
        return 0, 0
    first = int(draw.integers(frames))
    return first, int(draw.choice([frame for frame in range(frames) if frame != first]))
