"""Names of clips, with or without the suffixes of files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from reenact.errors import ReenactError
from reenact.media.pictures import PICTURE_SUFFIXES
from reenact.media.video import VIDEO_SUFFIXES

ARRAY = ".npy"
"""Frames without loss: (T, H, W, 3) or (H, W, 3), bytes or numbers in [-1, 1]."""
CLIP_SUFFIXES = PICTURE_SUFFIXES | VIDEO_SUFFIXES | {ARRAY}


class NameIndex:
    """Clips by name, with or without the suffix of a file on either side.

    Args:
        names: The clips.
        option: The option that they came from, for messages.
    """

    def __init__(self, names: Iterable[str], option: str) -> None:
        self._option = option
        self._names = dict.fromkeys(names)
        self._bare: dict[str, list[str]] = {}
        for name in self._names:
            self._bare.setdefault(strip_suffix(name), []).append(name)

    def find(self, name: str) -> str | None:
        """Return the clip that a name means: of the same spelling, else of the same name without suffixes.

        Raises:
            ReenactError: if several clips have that name without their suffixes.
        """
        if name in self._names:
            return name
        same = self._bare.get(strip_suffix(name), [])
        if len(same) > 1:
            raise ReenactError(
                f"{self._option} has {' and '.join(same[:2])}, and {name} may be either; name it with its suffix"
            )
        return same[0] if same else None


def strip_suffix(name: str) -> str:
    """Return a clip's name without the suffix of a picture, video or array file."""
    return name[: -len(Path(name).suffix)] if Path(name).suffix.lower() in CLIP_SUFFIXES else name
