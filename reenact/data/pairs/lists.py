"""Lists of test pairs on disk: written once from a seed, then the same for every method, machine and year.

A list is a CSV file with the columns `source,source_frame,driving,driving_frame`: names of clips and numbers of frames
from 0. Where the last column is empty, every frame of the driving clip is driven: one pair each, or one pair of the
whole clip for a method of clips. The lists of FOMM and DaGAN (`source,driving[,frame]`) are read as well.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reenact.data.clips import ClipSource
from reenact.data.pairs.drawn_pairs import WHOLE, PairList
from reenact.errors import ReenactError
from reenact.media.pictures import PICTURE_SUFFIXES

COLUMNS = ("source", "source_frame", "driving", "driving_frame")
_HELD_OUT = "the held-out clips of the data set"


@dataclass(frozen=True)
class NamedPair:
    """One line of a list of pairs: clips by name, frames by number."""

    source: str
    source_frame: int
    driving: str
    driving_frame: int | None
    """The driving frame; None for every frame of the clip."""


def write_pairs(path: Path, pairs: Iterable[NamedPair]) -> None:
    """Write a list; it takes its place when it is whole.

    Raises:
        ReenactError: if it can't be written.
    """
    temporary = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable_error(path, error) from error
    try:
        with temporary.open("w", encoding="utf-8", newline="") as file:
            lines = csv.writer(file, lineterminator="\n")
            lines.writerow(COLUMNS)
            for pair in pairs:
                first = "" if pair.driving_frame is None else pair.driving_frame
                lines.writerow((pair.source, pair.source_frame, pair.driving, first))
        temporary.replace(path)
    except OSError as error:
        raise _unwritable_error(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def read_pairs(path: Path) -> list[NamedPair]:
    """Read a list in our format, FOMM's or DaGAN's.

    FOMM's and DaGAN's lists name clips, or frames by path such as `/data/vox/test/CLIP/0000075.png`. A source clip
    stands for its first frame, a driving clip for all of its frames. Their third column, the driving frame that is most
    like the source, starts relative motion and is not needed here.

    Raises:
        ReenactError: if the file is missing or is no such list; the message names the line.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header, *rows = [row for row in csv.reader(file) if row]
    except OSError as error:
        raise ReenactError(f"{path} can't be read ({error.strerror}); make a list with `reenact pairs`") from error
    except (UnicodeDecodeError, csv.Error, ValueError) as error:
        raise ReenactError(f"{path} is no list of pairs: it is empty or no CSV file") from error
    names = [name.strip() for name in header]
    if names == list(COLUMNS):
        return [_parse_pair(row, path, line) for line, row in enumerate(rows, 2)]
    if names[:2] == ["source", "driving"] and len(names) <= 3:
        # DaGAN's headers name three columns above rows of two.
        return [_parse_paper_pair(row, path, line) for line, row in enumerate(rows, 2)]
    raise ReenactError(
        f"{path} has the columns {','.join(names)}; expected {','.join(COLUMNS)} or source,driving,frame"
    )


def resolve_pairs(
    path: Path, pairs: Sequence[NamedPair], clips: ClipSource, sources: ClipSource | None, whole_clips: bool = False
) -> dict[str, PairList]:
    """The pairs of a list by their numbers: `self` where both clips show one identity, else `cross`.

    Args:
        path: The list, for messages.
        pairs: Its lines.
        clips: The clips that drive, and the source clips where there are no others.
        sources: Where source clips are, unless a pair names one clip twice; the clips that drive by default.
        whole_clips: Make one pair of a clip of which every frame is driven, in place of one a frame.

    Raises:
        ReenactError: if a clip or frame of the list does not exist.
    """
    inside = [pair for pair in pairs if sources is None or pair.source == pair.driving]
    kinds: dict[str, list[tuple[int, int, int, int]]] = {"self": [], "cross": []}
    for same, row in _iterate_rows(path, inside, clips, clips, whole_clips):
        kinds["self" if same else "cross"].append(row)
    if sources is not None:
        across = [pair for pair in pairs if pair.source != pair.driving]
        kinds["cross"] = [row for _, row in _iterate_rows(path, across, sources, clips, whole_clips)]
    return {name: PairList(np.array(rows, np.int64)) for name, rows in kinds.items() if rows}


def _iterate_rows(
    path: Path, pairs: Sequence[NamedPair], sources: ClipSource, clips: ClipSource, whole_clips: bool
) -> Iterator[tuple[bool, tuple[int, int, int, int]]]:
    """Rows of `PairList.table`, and whether the numbers of both identities are the same."""
    origin, index = sources.index, clips.index
    location = _HELD_OUT if sources is clips else "the clips of --data.sources"
    source_places = _find_places([pair.source for pair in pairs], sources, path, location)
    driving_places = _find_places([pair.driving for pair in pairs], clips, path, _HELD_OUT)
    for pair, source, driving in zip(pairs, source_places, driving_places, strict=True):
        frames = int(index.num_frames[driving])
        _check_frame(path, pair.source, pair.source_frame, int(origin.num_frames[source]))
        _check_frame(path, pair.driving, pair.driving_frame or 0, frames)
        same = bool(origin.identities[source] == index.identities[driving])
        every: Sequence[int] = [WHOLE] if whole_clips else range(frames)
        for frame in every if pair.driving_frame is None else [pair.driving_frame]:
            yield same, (int(origin.ids[source]), pair.source_frame, int(index.ids[driving]), frame)


def _find_places(names: Sequence[str], clips: ClipSource, path: Path, location: str) -> list[int]:
    """The place in the clips' index of each name."""
    unique_names = list(dict.fromkeys(names))
    ids = np.array([-1 if number is None else number for number in map(clips.find, unique_names)], np.int64)
    order = np.argsort(clips.index.ids)
    spots = np.searchsorted(clips.index.ids, ids, sorter=order)
    places = order[np.minimum(spots, len(order) - 1)]
    absent = [name for name, exists in zip(unique_names, clips.index.ids[places] == ids, strict=True) if not exists]
    if absent:
        more = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
        raise ReenactError(
            f"{path} names clips that are not among {location}: {absent[0]}{more} (of {len(unique_names)}); prepare"
            " them, or make a list of what is there with `reenact pairs`"
        )
    place_of = dict(zip(unique_names, places.tolist(), strict=True))
    return [place_of[name] for name in names]


def _check_frame(path: Path, clip: str, frame: int, frames: int) -> None:
    if not 0 <= frame < frames:
        raise ReenactError(
            f"{path} asks for frame {frame} of clip {clip}, which has {frames}; prepare the clips as they were for it"
        )


def _parse_pair(row: list[str], path: Path, line: int) -> NamedPair:
    try:
        source, source_frame, driving, driving_frame = row
        return NamedPair(source, int(source_frame), driving, int(driving_frame) if driving_frame else None)
    except ValueError as error:
        raise _wrong_line_error(path, line, "a clip, a frame number, a clip, a frame number or nothing") from error


def _parse_paper_pair(row: list[str], path: Path, line: int) -> NamedPair:
    if len(row) not in (2, 3):
        raise _wrong_line_error(path, line, "a source, a driving clip or frame, and at most one more field")
    try:
        (source, source_frame), (driving, driving_frame) = (_frame_of(field.strip()) for field in row[:2])
    except ValueError as error:
        raise _wrong_line_error(path, line, "clip names, or paths of frames whose names are numbers") from error
    return NamedPair(source, source_frame or 0, driving, driving_frame)


def _frame_of(field: str) -> tuple[str, int | None]:
    """The clip, and the frame where a field names one by its path."""
    path = Path(field)
    if path.suffix.lower() in PICTURE_SUFFIXES and len(path.parts) > 1:
        return path.parent.name, int(path.stem)
    if not path.name:
        raise ValueError(field)
    return path.name, None


def _wrong_line_error(path: Path, line: int, expected: str) -> ReenactError:
    return ReenactError(f"Line {line} of {path} is no pair; expected {expected}")


def _unwritable_error(path: Path, error: OSError) -> ReenactError:
    return ReenactError(f"{path} can't be written ({error.strerror}); choose a writable file")


def name_pairs(pairs: PairList, names: Sequence[str]) -> Iterator[NamedPair]:
    """Pairs by number as pairs by name, where the numbers are places in `names`."""
    for source, frame, driving, start in pairs.table.tolist():
        yield NamedPair(names[source], frame, names[driving], start)
