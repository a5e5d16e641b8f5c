"""Matches of results with source and driving frames: by name, or by a list of pairs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count, zip_longest
from pathlib import Path
from typing import Literal

from torch import Tensor

from reenact.apps.galleries import FolderGallery, Gallery, resize_to_match
from reenact.data.pairs.lists import NamedPair
from reenact.errors import ReenactError
from reenact.metrics.scene import check_values

Kind = Literal["self", "cross"]


@dataclass(frozen=True)
class Match:
    """One result and what it is held against."""

    result: str
    """The generated clip or picture."""
    driving: str
    first: int | None
    """The driving frame of the result's first; None where the driving clip as a whole was driven."""
    source: tuple[str, int] | None
    """Clip and frame of the source; None where it is not known."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One generated frame and what it is held against; pictures are (3, H, W) in [-1, 1]."""

    generated: Tensor
    driving: Tensor
    source: Tensor | None
    match: Match
    result_frame: int
    driving_frame: int


def by_name(generated: Gallery, target: Gallery, sources: Gallery | None) -> list[Match]:
    """Results and driving clips of the same names; a source folder of one picture serves all.

    Raises:
        ReenactError: if a clip of one folder is not in the other; of a store, clips without a result are left out.
    """
    names = {name: target.find(name) for name in generated.names()}
    _none_missing([name for name, result in names.items() if result is None], target, generated)
    if isinstance(target, FolderGallery):  # a store has other clips as well
        _none_missing([name for name in target.names() if name not in names.values()], generated, target)
    only = sources.names()[0] if sources is not None and len(sources.names()) == 1 else None
    matches = []
    for name, driving in names.items():
        source = None if sources is None else sources.find(name) or only
        if sources is not None and source is None:
            _none_missing([name], sources, generated)
        matches.append(Match(name, str(driving), None, None if source is None else (source, 0)))
    return matches


def by_pairs(
    path: Path, lines: Sequence[NamedPair], results: Path, target: Gallery, sources: Gallery
) -> dict[Kind, tuple[FolderGallery, list[Match]]]:
    """The results of a list's pairs, in the order of their names: those of one identity, and those of two.

    Args:
        path: The list, for messages.
        lines: Its pairs.
        results: The folder of results, with the folders `self` and `cross` where the list has both kinds, as `reenact
            predict` writes them.
        target: Where driving clips are.
        sources: Where source clips are, unless a pair names one clip twice.

    Raises:
        ReenactError: if the list names a clip that is not there, or there are more or fewer results than pairs.
    """
    kinds = pair_matches(path, lines, target, sources)
    present = [kind for kind, matches in kinds.items() if matches]
    several = len(present) > 1 or (results / present[0]).is_dir()
    return {
        kind: _match_numbered_results(
            FolderGallery(results / kind if several else results, "--generated"), kinds[kind], target, path
        )
        for kind in present
    }


def pair_matches(path: Path, lines: Sequence[NamedPair], target: Gallery, sources: Gallery) -> dict[Kind, list[Match]]:
    """Return the pairs of a list by kind, without names of results; arguments and errors as `by_pairs` has them."""
    kinds: dict[Kind, list[Match]] = {"self": [], "cross": []}
    for line in lines:
        # As the loaders read lists: a pair of one clip is inside of the driving clips, whatever the sources are.
        origin = target if line.source == line.driving else sources
        driving, source = target.find(line.driving), origin.find(line.source)
        for name, name_in_gallery, gallery in ((line.driving, driving, target), (line.source, source, origin)):
            if name_in_gallery is None:
                raise ReenactError(f"{path} names the clip {name}, and {gallery.option} has none of that name")
        assert driving is not None
        assert source is not None
        same = origin is target and origin.identity(source) == target.identity(driving)
        kinds["self" if same else "cross"].append(Match("", driving, line.driving_frame, (source, line.source_frame)))
    return kinds


def iterate_samples(generated: Gallery, target: Gallery, sources: Gallery | None, match: Match) -> Iterator[Sample]:
    """The frames of a match.

    Raises:
        ReenactError: if both have not the same number of frames, all of one size, with values in [-1, 1].
    """
    source = None
    for number, (generated_frame, target_frame) in enumerate(_iterate_pairs(generated, target, match)):
        if generated_frame.shape != target_frame.shape:
            raise ReenactError(
                f"{generated.option}: {match.result} is of {_format_size(generated_frame)} pixels and {match.driving}"
                f" of {target.option} of {_format_size(target_frame)}; resize one of them"
            )
        check_values(generated_frame, f"{generated.option}: frame {number} of {match.result}")
        check_values(target_frame, f"{target.option}: frame {number} of {match.driving}")
        if sources is not None and match.source is not None and source is None:
            source = resize_to_match(sources.frame(*match.source), generated_frame)
        yield Sample(
            generated=generated_frame,
            driving=target_frame,
            source=source,
            match=match,
            result_frame=number,
            driving_frame=(match.first or 0) + number,
        )


def _iterate_pairs(generated: Gallery, target: Gallery, match: Match) -> Iterator[tuple[Tensor, Tensor]]:
    generated_frames = generated.frames(match.result)
    if match.first is not None:
        yield from (
            (frame, target.frame(match.driving, number)) for frame, number in zip(generated_frames, count(match.first))
        )
        return
    counts = generated.count(match.result), target.count(match.driving)
    if None not in counts and counts[0] != counts[1]:
        raise _length_error(generated, target, match, str(counts[0]), str(counts[1]))
    for number, (frame, target_frame) in enumerate(zip_longest(generated_frames, target.frames(match.driving))):
        if frame is None or target_frame is None:
            says = str(number) if frame is None else "more", str(number) if target_frame is None else "more"
            raise _length_error(generated, target, match, *says)
        yield frame, target_frame


def _match_numbered_results(
    results: FolderGallery, matches: list[Match], target: Gallery, path: Path
) -> tuple[FolderGallery, list[Match]]:
    """Matches with their results: one clip a pair, or one picture a driving frame."""
    names = results.names()
    if len(names) != len(matches):
        matches = [single for match in matches for single in frame_by_frame(match, target)]
    if len(names) != len(matches):
        raise ReenactError(
            f"{results.option} has {len(names)} results and {path} {len(matches)} pairs for them; write one for each,"
            " named in the order of the list"
        )
    placed = [Match(name, m.driving, m.first, m.source) for name, m in zip(names, matches, strict=True)]
    return results, placed


def frame_by_frame(match: Match, target: Gallery) -> list[Match]:
    """Return one match for each driving frame of a match."""
    if match.first is not None:
        return [match]
    target_count = target.count(match.driving)
    frames = sum(1 for _ in target.frames(match.driving)) if target_count is None else target_count
    return [Match("", match.driving, number, match.source) for number in range(frames)]


def _none_missing(absent: Sequence[str], gallery: Gallery, other: Gallery) -> None:
    if absent:
        more = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
        raise ReenactError(
            f"{gallery.option} lacks {absent[0]}{more} of {other.option}; give each clip the same name in both, or"
            " name a list with --pairs"
        )


def _length_error(
    generated: Gallery, target: Gallery, match: Match, generated_length: str, target_length: str
) -> ReenactError:
    return ReenactError(
        f"{generated.option}: {match.result} has {generated_length} frames and {match.driving} of {target.option}"
        f" has {target_length}; give as many"
    )


def _format_size(image: Tensor) -> str:
    return f"{image.shape[-1]} x {image.shape[-2]}"
