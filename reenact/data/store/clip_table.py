"""The clips of a prepared data set in a few arrays: a million of them take no Python object each."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_CHUNK = 1 << 16


@dataclass(frozen=True)
class ClipIndex:
    """The clips of a split in compact form, for sampling among millions."""

    ids: NDArray[np.int64]
    """(N,) numbers that the source of the clips reads them by."""
    identities: NDArray[np.int64]
    """(N,) identity numbers, dense from 0, in the order of the identities' names."""
    num_frames: NDArray[np.int64]
    """(N,) numbers of frames."""

    def count_frames(self, clip: int) -> int:
        """Number of frames of the clip with an id."""
        return int(self.num_frames[self.ids == clip][0])

    def select(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> ClipIndex:
        """Return some rows, by number or by mask, with their identities numbered anew from 0."""
        _, dense = np.unique(self.identities[rows], return_inverse=True)
        return ClipIndex(self.ids[rows], dense.astype(np.int64), self.num_frames[rows])


@dataclass(frozen=True)
class Names(Sequence[str]):
    """N strings in two arrays."""

    text: NDArray[np.uint8]
    """All strings, UTF-8, one after the other."""
    ends: NDArray[np.int64]
    """(N,) offset in `text` of the end of each string."""

    @classmethod
    def of(cls, names: Iterable[str]) -> Names:
        """Pack strings into two arrays."""
        encoded = [name.encode() for name in names]
        text = np.frombuffer(b"".join(encoded), np.uint8)
        return cls(text, np.cumsum(np.fromiter(map(len, encoded), np.int64, len(encoded))))

    @classmethod
    def joined(cls, parts: Sequence[Names]) -> Names:
        """Concatenate several lists of names."""
        starts = np.cumsum([0, *(len(part.text) for part in parts)])
        ends = [part.ends + start for part, start in zip(parts, starts[:-1], strict=True)]
        return cls(
            *(
                np.concatenate([np.zeros(0, kind), *lists])
                for kind, lists in ((np.uint8, [part.text for part in parts]), (np.int64, ends))
            )
        )

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, number: int) -> str:  # type: ignore[override]  # no slices
        if not 0 <= number < len(self.ends):
            raise IndexError(number)
        start = self.ends[number - 1] if number else 0
        return self.text[start : self.ends[number]].tobytes().decode()


@dataclass(frozen=True, kw_only=True)
class ClipTable:
    """The usable clips of a prepared data set, by name."""

    names: Names
    identities: NDArray[np.int64]
    """(N,) numbers in `identity_names`."""
    identity_names: Names
    """Distinct identities, sorted by name."""
    splits: NDArray[np.int64]
    """(N,) numbers in `split_names`."""
    split_names: tuple[str, ...]
    """Distinct splits, sorted by name."""
    num_frames: NDArray[np.int64]

    @classmethod
    def of(cls, rows: Iterator[tuple[str, str, str, int]]) -> ClipTable:
        """Build the table from rows of name, split, identity and number of frames in the order of the names."""
        names: list[Names] = []
        columns: list[NDArray[np.int64]] = []
        splits: dict[str, int] = {}
        identities: dict[str, int] = {}
        while piece := [row for row, _ in zip(rows, range(_CHUNK), strict=False)]:
            names.append(Names.of(row[0] for row in piece))
            coded = (
                (splits.setdefault(split, len(splits)), identities.setdefault(identity, len(identities)), frames)
                for _, split, identity, frames in piece
            )
            columns.append(np.array(list(coded), np.int64))
        table = np.concatenate([np.zeros((0, 3), np.int64), *columns])
        split_names, split_order = _sort_names(splits)
        identity_names, identity_order = _sort_names(identities)
        return cls(
            names=Names.joined(names),
            identities=identity_order[table[:, 1]],
            identity_names=Names.of(identity_names),
            splits=split_order[table[:, 0]],
            split_names=tuple(split_names),
            num_frames=np.ascontiguousarray(table[:, 2]),
        )

    def index(self, split: str | None, min_frames: int = 1) -> ClipIndex:
        """The clips of a split, or of all, with at least `min_frames` frames; their ids are rows of this table."""
        keep = self.num_frames >= min_frames
        if split is not None:
            keep &= self.splits == (self.split_names.index(split) if split in self.split_names else -1)
        ids = np.flatnonzero(keep)
        _, dense = np.unique(self.identities[ids], return_inverse=True)
        return ClipIndex(ids, dense.astype(np.int64), self.num_frames[ids])

    def find(self, name: str) -> int | None:
        """Row of a clip by its name; None if there is no such clip."""
        row = bisect_left(self.names, name)
        return row if row < len(self.names) and self.names[row] == name else None


def _sort_names(codes: dict[str, int]) -> tuple[list[str], NDArray[np.int64]]:
    """The names in order, and the place of each code in it."""
    names = sorted(codes)
    places = np.zeros(len(names), np.int64)
    places[[codes[name] for name in names]] = np.arange(len(names))
    return names, places
