"""The frames that a table is measured on, and whether another program's scores are of the same."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from torch import Tensor

from reenact.apps.galleries import Gallery, open_gallery
from reenact.apps.matches import Match, frame_by_frame, pair_matches
from reenact.benchmark import data, inputs
from reenact.callbacks.score_files import read_scores, write_scores
from reenact.data.pairs.lists import read_pairs
from reenact.metrics.frame_set import FrameKey, FrameSet, frame_set
from reenact.metrics.scene import Frames
from reenact.paths import hash_file

LOG = logging.getLogger("reenact")
CACHE = "frames.json"


def table_frames(pairs: Path, target: Path, sources: Path | None, size: int) -> dict[str, FrameSet]:
    """Return the digests of the frames that a list of pairs asks for; kept beside the list.

    Args:
        pairs: The list.
        target: The store of the driving clips.
        sources: The store of the source portraits; the driving clips by default.
        size: Side in pixels at which both are read.

    Raises:
        ReenactError: if the list and the stores do not fit.
    """
    cache = pairs.with_name(CACHE)
    made_from = inputs.hash_inputs([hash_file(pairs), data.hash_store_content(target), _hash_content(sources), size])
    if cache.is_file():
        file = read_scores(cache)
        if file.about.get("made_from") == made_from:
            return file.frames
    LOG.info("reading the frames of %s, to compare them with those of other programs' scores", pairs)
    clips = open_gallery(target, "--root", size)
    portraits = clips if sources is None else open_gallery(sources, "--root", size)
    kinds = pair_matches(pairs, read_pairs(pairs), clips, portraits)
    digests = _Digests()
    sets: dict[str, FrameSet] = {
        kind: frame_set(list(_iterate_keys(matches, clips, clips if kind == "self" else portraits, digests, size)))
        for kind, matches in kinds.items()
        if matches
    }
    write_scores({}, cache, {"made_from": made_from}, sets)
    return sets


def describe_difference(
    other_sets: Mapping[str, FrameSet], table_sets: Mapping[str, FrameSet], loaders: Iterable[str]
) -> str:
    """Return how the frames of two files of scores differ, empty where they are the same.

    Args:
        other_sets: Loader -> frames of another program.
        table_sets: Loader -> frames of the table.
        loaders: Those that the table has columns of.
    """
    for loader in loaders:
        other, expected = other_sets.get(loader), table_sets.get(loader)
        if other is None:
            continue
        if expected is None:
            return f"the table has no {loader} pairs"
        if other.frames != expected.frames:
            return f"{other.frames:,} {loader} frames, where the table has {expected.frames:,}"
        if other.sizes != expected.sizes:
            return f"{loader} frames of {' and '.join(other.sizes)}, where the table has {' and '.join(expected.sizes)}"
        if other.pairs != expected.pairs:
            return f"other {loader} pairs than the table's"
        if other.targets != expected.targets:
            return f"other driving frames than the table's, in {loader}-reenactment"
        if other.sources != expected.sources:
            return f"other source portraits than the table's, in {loader}-reenactment"
    return ""


class _Digests:
    """Digests of frames, each read once."""

    def __init__(self) -> None:
        self._read: dict[tuple[str, str, int], str] = {}

    def of(self, gallery: Gallery, clip: str, frame: int) -> str:
        key = gallery.option, clip, frame
        if key not in self._read:
            image: Tensor = gallery.frame(clip, frame)
            self._read[key] = Frames(image[None]).digests[0].hex()
        return self._read[key]


def _iterate_keys(
    matches: Iterable[Match], target: Gallery, sources: Gallery, digests: _Digests, size: int
) -> Iterator[FrameKey]:
    for match in matches:
        assert match.source is not None  # lists name sources
        source = digests.of(sources, *match.source)
        for single in frame_by_frame(match, target):
            driving = match.driving, single.first or 0
            yield FrameKey(
                source=match.source,
                driving=driving,
                width=size,
                height=size,
                source_pixels=source,
                driving_pixels=digests.of(target, *driving),
            )


def _hash_content(root: Path | None) -> str:
    return "" if root is None else data.hash_store_content(root)
