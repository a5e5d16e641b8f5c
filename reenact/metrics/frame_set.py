"""Digests of the frames that scores were taken of: numbers of two methods compare where these are equal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256


@dataclass(frozen=True, kw_only=True)
class FrameKey:
    """One scored frame: which pictures it was made from and held against."""

    source: tuple[str, int]
    """Clip and frame."""
    driving: tuple[str, int]
    """Clip and frame."""
    width: int
    height: int
    source_pixels: str
    """Digest of the source at the result's size, as 8-bit values; empty where none was read."""
    driving_pixels: str
    """Digest of the driving frame as 8-bit values."""


@dataclass(frozen=True, kw_only=True)
class FrameSet:
    """The frames of a loader, whatever their order."""

    frames: int
    sizes: tuple[str, ...]
    """`WIDTHxHEIGHT` of all frames."""
    pairs: str
    """SHA-256 of the names and frame numbers of sources and driving frames."""
    sources: str
    """SHA-256 of the sources' pixels, by name; empty where none was read."""
    targets: str
    """SHA-256 of the driving frames' pixels, by name."""


def frame_set(keys: Sequence[FrameKey]) -> FrameSet:
    """Return the digests of frames."""
    sources = {(*key.source, key.source_pixels) for key in keys if key.source_pixels}
    return FrameSet(
        frames=len(keys),
        sizes=tuple(sorted({f"{key.width}x{key.height}" for key in keys})),
        pairs=_hash_entries((*key.source, *key.driving) for key in keys),
        sources=_hash_entries(sources) if sources else "",
        targets=_hash_entries({(*key.driving, key.driving_pixels) for key in keys}),
    )


def _hash_entries(entries: Iterable[tuple[object, ...]]) -> str:
    lines = sorted("\t".join(map(repr, entry)) for entry in entries)
    return sha256("\n".join(lines).encode("utf-8", "surrogatepass")).hexdigest()
