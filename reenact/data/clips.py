"""Contract of the clips that samplers draw frames from, and its implementation over prepared data sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from reenact.data.store.clip_files import ClipPlace, ClipReader
from reenact.data.store.clip_table import ClipIndex, ClipTable
from reenact.data.store.reader import StoreInfo
from reenact.errors import ReenactError
from reenact.faces.portrait import Portrait


class ClipSource(Protocol):
    """Clips that can be read by number; copied into worker processes, so it holds no open file."""

    index: ClipIndex
    """Identity, length and number of each clip; `read` takes the numbers in `index.ids`."""

    def read(self, clip: int, frames: Sequence[int]) -> Portrait:
        """Read N frames of a clip: a batch of N portraits, with N names of identity and clip.

        Images may be uint8, a quarter of the memory on the way to the device; see `Portrait.normalised`.
        """

    def find(self, name: str) -> int | None:
        """The number of the clip with a name, also where `index` leaves it out; None if there is none."""


class Prepared(Protocol):
    """A prepared data set, whichever form its files have: a store or shards."""

    info: StoreInfo
    reader: ClipReader

    @property
    def table(self) -> ClipTable:
        """Usable clips."""

    def place(self, row: int) -> ClipPlace:
        """Location of the files of the clip in a row of the table."""


@dataclass(frozen=True)
class Carries:
    """Contents of the portraits of a data set, to be compared with what a method needs."""

    params: bool = False
    landmarks: bool = False
    texture: bool = False
    light: bool = False
    clip_length: int = 1


class StoreClips:
    """Some clips of a store or of shards.

    Args:
        prepared: The store or the shards.
        index: Which of its clips.
        size: Side of the images in pixels.
    """

    def __init__(self, prepared: Prepared, index: ClipIndex, size: int) -> None:
        self.index = index
        self._prepared = prepared
        self._size = size

    def read(self, clip: int, frames: Sequence[int]) -> Portrait:
        """Read N frames of a clip, as bytes.

        Raises:
            ReenactError: names the clip whose files are damaged, or whose face parameters are not finite.
        """
        prepared, table = self._prepared, self._prepared.table
        identity = table.identity_names[int(table.identities[clip])]
        portraits = prepared.reader.read(prepared.place(clip), identity, frames, prepared.info.size, self._size)
        _check_finite(portraits)
        return portraits

    def find(self, name: str) -> int | None:
        """The number of the clip with a name."""
        return self._prepared.table.find(name)


def _check_finite(portraits: Portrait) -> None:
    """Refuse NaN and infinity: a method may draw nothing for them, and train on that without a word."""
    tensors = [] if portraits.params is None else list(vars(portraits.params).values())
    if not all(bool(tensor.isfinite().all()) for tensor in tensors if isinstance(tensor, Tensor)):
        raise ReenactError(f"The clip {portraits.clip[0]} has face parameters that are not finite: prepare it again")


def describe_contents(fields: tuple[str, ...], clip_length: int) -> Carries:
    """Derive the contents of portraits from the arrays of a store."""
    return Carries(
        params="shape" in fields,
        landmarks="landmarks" in fields,
        texture="texture" in fields,
        light="light" in fields,
        clip_length=clip_length,
    )
