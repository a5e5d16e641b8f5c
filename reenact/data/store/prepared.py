"""Opening a prepared data set by what its root holds."""

from __future__ import annotations

from pathlib import Path

from reenact.data.store.byte_ranges import is_url
from reenact.data.store.reader import Store
from reenact.data.store.root_files import INDEX
from reenact.data.store.shards import Shards


def open_prepared(root: str | Path) -> Store | Shards:
    """A store, or shards in a folder or behind a URL.

    Raises:
        ReenactError: if it is neither, or damaged.
    """
    if is_url(str(root)) or (Path(root) / INDEX).is_file():
        return Shards(str(root))
    return Store(Path(root))
