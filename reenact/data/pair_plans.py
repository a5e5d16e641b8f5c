"""`reenact pairs`: the test pairs of the papers, as many as each has, drawn from a seed.

No paper publishes its pairs; numbers are the papers', choices that a paper leaves open are said in each plan.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from reenact.choices import check_choices
from reenact.data.clip_table import ClipIndex, ClipTable
from reenact.data.pair_lists import NamedPair, named, write_pairs
from reenact.data.prepared import open_prepared
from reenact.data.sampling import cross_pairs, held_out_split, self_pairs
from reenact.errors import ReenactError
from reenact.paths import PathLike

Preset = Literal["pwm", "mmfa", "bfm_flow", "bfm_flow_celebv", "export3d", "export3d_talkinghead", "magicportrait"]


@dataclass(frozen=True)
class PairPlan:
    """What a paper tests on."""

    clips: int | None = None
    """Driving clips, one an identity as long as there are unused identities; all by default."""
    self_frames: int = 0
    """Pairs of two frames of a clip, for each clip."""
    cross_frames: int = 0
    """Pairs of frames of two identities, for each clip as the source."""
    cross_frames_per_person: int = 0
    """Pairs of frames of two identities, for each identity as the source."""
    self_clips: bool = False
    """Every clip as a whole, driven from its own frame 0."""
    cross_clips: bool = False
    """Every clip as a whole, driving a portrait of another identity."""
    portraits: int = 0
    """Portraits of different identities from `--sources`, one for each driving clip, again from the first when used up;
    0: frame 0 of the next clip of another identity."""


PLANS: dict[Preset, PairPlan] = {
    # Random pairs of each test clip in both directions; how many is not said: one pair a clip, both ways.
    "pwm": PairPlan(self_frames=2, cross_frames=2),
    # 80 image-video pairs, about 25,000 frames; portraits of CelebA and FFHQ, test clips of VoxCeleb.
    "mmfa": PairPlan(clips=80, self_clips=True, cross_clips=True, portraits=80),
    # VoxCeleb: 514 test clips, 20 pairs each: 10,280 self and 10,280 cross.
    "bfm_flow": PairPlan(self_frames=20, cross_frames=20),
    # CelebV: 5 people, 1,000 pairs each; which side is fixed is not said: the source.
    "bfm_flow_celebv": PairPlan(cross_frames_per_person=1000),
    # VFHQ: 50 test clips; the pairing is not said: each drives one other identity.
    "export3d": PairPlan(clips=50, self_clips=True, cross_clips=True),
    # TalkingHead-1KH: 20 clips of different identities.
    "export3d_talkinghead": PairPlan(clips=20, self_clips=True, cross_clips=True),
    # CelebV-HQ: 40 clips of identities outside of training; 20 portraits of another domain.
    "magicportrait": PairPlan(clips=40, self_clips=True, cross_clips=True, portraits=20),
}


@check_choices
def write_plan(
    store: str, *, preset: Preset, out: PathLike, sources: str | None = None, split: str = "test", seed: int = 0
) -> str:
    """Write the test pairs of a paper for a prepared data set; name the file with `--data.pairs`.

    Args:
        store: The store or its shards.
        preset: Whose pairs.
        out: The CSV file to write.
        sources: Store of the source portraits, for the papers that take them from another data set.
        split: The split that is tested on; of a store without a test split, the identities that loaders hold out.
        seed: Start of every draw.

    Raises:
        ReenactError: if there is no such split, portraits are missing, or the file can't be written.
    """
    out = Path(out)
    plan = PLANS[preset]
    if bool(plan.portraits) != (sources is not None):
        raise ReenactError(
            f"The pairs of {preset} take portraits from another data set; name its store with --sources"
            if plan.portraits
            else f"The pairs of {preset} take no portraits from another data set; leave out --sources"
        )
    table = open_prepared(store).table
    everything = table.index(split, min_frames=2)
    if split == "test" and table.split_names == ("train",):
        # What the data modules hold out, at their own seed and share.
        everything = held_out_split(table.index("train", min_frames=2), "test", 0.1, 0)
    index = _chosen(everything, plan.clips, seed)
    if not len(index.ids):
        has = ", ".join(table.split_names) or "no clip"
        raise ReenactError(
            f"{store} has no usable {split} clip of 2 frames or more (it has: {has}); choose another --split"
        )
    portraits = None if sources is None else open_prepared(sources).table
    pairs = list(_planned(plan, index, table, portraits, seed))
    if not pairs:
        raise ReenactError(f"The {split} clips of {store} show one identity, and {preset} needs pairs of two")
    write_pairs(out, pairs)
    alone = sum(pair.source == pair.driving for pair in pairs)
    kinds = f"{alone} with one identity, {len(pairs) - alone} with two"
    return f"{out}: {len(pairs)} pairs of {len(index.ids)} clips ({kinds}){_shortage(plan, index)}"


def _planned(
    plan: PairPlan, index: ClipIndex, table: ClipTable, portraits: ClipTable | None, seed: int
) -> Iterator[NamedPair]:
    count = len(index.ids)
    people = len(np.unique(index.identities))
    names = table.names
    if plan.self_frames:
        yield from named(self_pairs(index, plan.self_frames * count, seed), names)
    if plan.cross_frames:
        yield from named(cross_pairs(index, plan.cross_frames * count, seed), names)
    if plan.cross_frames_per_person and people > 1:
        yield from _per_person(index, plan.cross_frames_per_person, names, seed)
    if plan.self_clips:
        yield from (NamedPair(names[clip], 0, names[clip], None) for clip in index.ids.tolist())
    if plan.cross_clips and portraits is not None:
        chosen = _chosen(portraits.index(None), plan.portraits, seed).ids.tolist()
        if not chosen:
            raise ReenactError("The store of --sources has no usable picture; prepare it again")
        for number, clip in enumerate(index.ids.tolist()):
            yield NamedPair(portraits.names[chosen[number % len(chosen)]], 0, names[clip], None)
    elif plan.cross_clips and people > 1:
        for place, clip in enumerate(index.ids.tolist()):
            yield NamedPair(names[_next_person(index, place)], 0, names[clip], None)


def _chosen(index: ClipIndex, count: int | None, seed: int) -> ClipIndex:
    """Some clips of as many identities as possible, in the order of the index; all where `count` is None."""
    if count is None or len(index.ids) <= count:
        return index
    order = np.random.default_rng([seed, 6]).permutation(len(index.ids))
    turn = _turns(index.identities[order])
    keep = np.sort(order[np.argsort(turn, kind="stable")[:count]])
    return ClipIndex(index.ids[keep], index.identities[keep], index.num_frames[keep])


def _turns(identities: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many clips of the same identity come before each."""
    order = np.argsort(identities, kind="stable")
    _, starts, counts = np.unique(identities[order], return_index=True, return_counts=True)
    turns = np.empty(len(order), np.int64)
    turns[order] = np.arange(len(order)) - np.repeat(starts, counts)
    return turns


def _next_person(index: ClipIndex, place: int) -> int:
    """The next clip that shows another identity, around the end to the beginning."""
    ahead = np.roll(np.arange(len(index.ids)), -place)
    other = ahead[index.identities[ahead] != index.identities[place]][0]
    return int(index.ids[other])


def _per_person(index: ClipIndex, count: int, names: Sequence[str], seed: int) -> Iterator[NamedPair]:
    draw = np.random.default_rng([seed, 7])
    for person in np.unique(index.identities):
        own, others = (np.flatnonzero((index.identities == person) == same) for same in (True, False))
        for _ in range(count):
            source, driving = draw.choice(own), draw.choice(others)
            frames = (int(draw.integers(index.num_frames[clip])) for clip in (source, driving))
            yield NamedPair(names[int(index.ids[source])], next(frames), names[int(index.ids[driving])], next(frames))


def _shortage(plan: PairPlan, index: ClipIndex) -> str:
    short = plan.clips is not None and len(index.ids) < plan.clips
    return f"; the paper has {plan.clips} clips" if short else ""
