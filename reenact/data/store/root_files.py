"""The files by which a prepared data set is known. No torch."""

from __future__ import annotations

from pathlib import Path

from reenact.data.store.byte_ranges import is_url

MANIFEST = "manifest.sqlite"
"""In the folder of a store."""
INDEX = "clips.safetensors"
"""In the folder of shards."""


def is_prepared(root: str | Path) -> bool:
    """Return True for a URL, and for a folder that holds a store or shards."""
    return is_url(str(root)) or any((Path(root) / name).is_file() for name in (INDEX, MANIFEST))
