"""Contract of the clips that samplers draw frames from, and its implementation over prepared data sets."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

import numpy as np
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

    def read(self, clip: int, frames: Sequence[int], window: int = 0) -> Portrait:
        """Read N frames of a clip: a batch of N portraits, with N names of identity and clip.

        With a window above 0, the face parameters of as many frames on either side come as `Portrait.window`. Images
        may be uint8, a quarter of the memory on the way to the device; see `Portrait.normalised`.
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


class StoreClips:
    """Some clips of a store or of shards.

    Args:
        prepared: The store or the shards.
        index: Which of its clips.
        size: Side of the images in pixels.
        unread: Arrays that are left out of the portraits.
    """

    def __init__(self, prepared: Prepared, index: ClipIndex, size: int, unread: Collection[str] = ()) -> None:
        self.index = index
        self._prepared = prepared
        self._size = size
        self._unread = frozenset(unread)

    def read(self, clip: int, frames: Sequence[int], window: int = 0) -> Portrait:
        """Read N frames of a clip, as bytes.

        Raises:
            ReenactError: names the clip whose files are damaged, or whose face parameters are not finite.
        """
        prepared, table = self._prepared, self._prepared.table
        identity = table.identity_names[int(table.identities[clip])]
        portraits = prepared.reader.read(
            prepared.place(clip), identity, frames, prepared.info.size, self._size, window, self._unread
        )
        _check_finite(portraits)
        return portraits

    def find(self, name: str) -> int | None:
        """The number of the clip with a name."""
        return self._prepared.table.find(name)


def _check_finite(portraits: Portrait) -> None:
    """Refuse NaN and infinity: a method may draw nothing for them, and train on that without a word."""
    params = portraits.params if portraits.window is None else portraits.window
    tensors = [] if params is None else [tensor for tensor in vars(params).values() if isinstance(tensor, Tensor)]
    if not all(np.isfinite(tensor.numpy()).all() for tensor in tensors):  # much faster than torch's for so few numbers
        raise ReenactError(f"The clip {portraits.clip[0]} has face parameters that are not finite: prepare it again")
