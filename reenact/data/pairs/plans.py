"""`reenact pairs`: the test pairs of the papers, as many as each has, drawn from a seed.

No paper publishes its pairs; the numbers are the papers', and stand with each method.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from reenact.choices import check_choices
from reenact.data.clips import Prepared
from reenact.data.pairs.drawn_pairs import choose_clips, cross_pairs, held_out_split, self_pairs
from reenact.data.pairs.lists import NamedPair, name_pairs, write_pairs
from reenact.data.store.clip_table import ClipIndex, ClipTable
from reenact.data.store.prepared import open_prepared
from reenact.errors import ReenactError, suggest_names
from reenact.faces.rotation import axis_angle_to_matrix
from reenact.methods import PairPlan
from reenact.methods.choices import PairPlanName
from reenact.methods.registry import collect_pair_plans
from reenact.paths import PathLike

_POSES = ("global_pose", "neck_pose")
"""Arrays of a store that turn the head as a whole."""


@check_choices
def write_plan(
    store: str,
    *,
    preset: PairPlanName,
    out: PathLike,
    sources: str | None = None,
    split: str = "test",
    seed: int = 0,
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
    plans = collect_pair_plans()
    if preset not in plans:
        raise ReenactError(f"--preset {preset}: no paper has such pairs; {suggest_names(preset, list(plans))}")
    plan = plans[preset]
    if bool(plan.portraits) != (sources is not None):
        raise ReenactError(
            f"The pairs of {preset} take portraits from another data set; name its store with --sources"
            if plan.portraits
            else f"The pairs of {preset} take no portraits from another data set; leave out --sources"
        )
    prepared = open_prepared(store)
    table = prepared.table
    everything = table.index(split, min_frames=2)
    if split == "test" and table.split_names == ("train",):
        # What the data modules hold out, at their own seed and share.
        everything = held_out_split(table.index("train", min_frames=2), "test", 0.1, 0)
    index = choose_clips(everything, plan.clips, seed)
    if not len(index.ids):
        has = ", ".join(table.split_names) or "no clip"
        raise ReenactError(
            f"{store} has no usable {split} clip of 2 frames or more (it has: {has}); choose another --split"
        )
    portraits = None if sources is None else open_prepared(sources).table
    _check_poses(plan, preset, store, prepared)
    pairs = list(_plan_pairs(plan, index, prepared, portraits, seed))
    if not pairs:
        raise ReenactError(f"The {split} clips of {store} show one identity, and {preset} needs pairs of two")
    write_pairs(out, pairs)
    alone = sum(pair.source == pair.driving for pair in pairs)
    kinds = f"{alone} with one identity, {len(pairs) - alone} with two"
    return f"{out}: {len(pairs)} pairs of {len(index.ids)} clips ({kinds}){_describe_shortage(plan, index)}"


def _plan_pairs(
    plan: PairPlan, index: ClipIndex, prepared: Prepared, portraits: ClipTable | None, seed: int
) -> Iterator[NamedPair]:
    count = len(index.ids)
    people = len(np.unique(index.identities))
    names = prepared.table.names
    if plan.self_frames:
        yield from name_pairs(self_pairs(index, plan.self_frames * count, seed), names)
    if plan.cross_frames:
        yield from name_pairs(cross_pairs(index, plan.cross_frames * count, seed), names)
    if plan.cross_frames_per_person and people > 1:
        yield from _per_person(index, plan.cross_frames_per_person, names, seed)
    if plan.self_clips:
        for clip in index.ids.tolist():
            yield NamedPair(names[clip], _choose_source(plan, prepared, clip), names[clip], None)
    if plan.cross_clips and portraits is not None:
        chosen = choose_clips(portraits.index(None), plan.portraits, seed).ids.tolist()
        if not chosen:
            raise ReenactError("The store of --sources has no usable picture; prepare it again")
        for number, clip in enumerate(index.ids.tolist()):
            yield NamedPair(portraits.names[chosen[number % len(chosen)]], 0, names[clip], None)
    elif plan.cross_clips and people > 1:
        for place, clip in enumerate(index.ids.tolist()):
            source = _next_person(index, place)
            yield NamedPair(names[source], _choose_source(plan, prepared, source), names[clip], None)


def _check_poses(plan: PairPlan, preset: str, store: str, prepared: Prepared) -> None:
    if plan.source == "frontal" and not set(_POSES) <= set(prepared.info.fields):
        raise ReenactError(
            f"The pairs of {preset} start from the straightest frame of a clip, and {store} has no face parameters;"
            " prepare it again"
        )


def _choose_source(plan: PairPlan, prepared: Prepared, clip: int) -> int:
    """Choose the source frame of a clip: the first, or the one with the least yaw and pitch together."""
    if plan.source == "first":
        return 0
    others = set(prepared.info.fields).difference(_POSES)
    arrays = prepared.reader.arrays(prepared.place(clip), unread=others)
    root, neck = (axis_angle_to_matrix(torch.from_numpy(arrays[name])) for name in _POSES)
    x, y, z = (root @ neck)[..., 2].unbind(-1)  # the direction of the nose
    return int((torch.atan2(x, z).abs() + torch.atan2(y, torch.hypot(x, z)).abs()).argmin())


def _next_person(index: ClipIndex, place: int) -> int:
    """The next clip that shows another identity, around the end to the beginning."""
    ahead = np.roll(np.arange(len(index.ids)), -place)
    other = ahead[index.identities[ahead] != index.identities[place]][0]
    return int(index.ids[other])


def _per_person(index: ClipIndex, count: int, names: Sequence[str], seed: int) -> Iterator[NamedPair]:
    draw = np.random.default_rng([seed, 7])
    for person in np.unique(index.identities):
        own_clips, other_clips = (np.flatnonzero((index.identities == person) == same) for same in (True, False))
        for _ in range(count):
            source, driving = draw.choice(own_clips), draw.choice(other_clips)
            frames = (int(draw.integers(index.num_frames[clip])) for clip in (source, driving))
            yield NamedPair(names[int(index.ids[source])], next(frames), names[int(index.ids[driving])], next(frames))


def _describe_shortage(plan: PairPlan, index: ClipIndex) -> str:
    short = plan.clips is not None and len(index.ids) < plan.clips
    return f"; the paper has {plan.clips} clips" if short else ""
