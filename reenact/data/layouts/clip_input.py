"""A clip that is to be prepared, as a data set names it."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

MOST_NAME_BYTES = 230
"""Length of a clip's name; file systems take 255 bytes, of which the suffixes of its files need some."""


@dataclass(frozen=True, kw_only=True)
class ClipInput:
    """One clip to prepare."""

    path: Path
    """A video, a picture, or a folder of frames."""
    name: str
    split: str
    identity: str
    span: tuple[float, float] | None = None
    """First second and the second after the last of the part to use; the whole file by default."""
    region: tuple[float, float, float, float] | None = None
    """Left, top, right and bottom of the data set's own box around the face, as fractions of the frame."""
    album: bool = False
    """True if the pictures come from several videos, so that cuts are no reason to leave any out."""
    missing: str = ""
    """Reason why a clip that the data set's metadata name is not there, such as `video abc.mp4 is absent`; empty if it
    is."""
    fault: str = ""
    """Reason why the clip's name rules it out, whatever the file holds; empty if it does not."""

    @property
    def source(self) -> str:
        """Absolute path as text, in which bytes that are no UTF-8 are written `%FF`."""
        return text_of(str(self.path.absolute()))


def mark_unreadable_names(clip: ClipInput) -> ClipInput:
    """Return a clip with names that a manifest can hold, and with its `fault` where they can't name files."""
    checked = replace(clip, name=text_of(clip.name), identity=text_of(clip.identity))
    return replace(checked, fault=_find_fault(clip))


def text_of(name: str) -> str:
    """Write the bytes of a file's name that are no UTF-8 as `%FF`."""
    pieces = (chr(code) if not 0xDC80 <= code <= 0xDCFF else f"%{code - 0xDC00:02X}" for code in map(ord, name))
    return "".join(pieces).encode("utf-8", "replace").decode()


def _find_fault(clip: ClipInput) -> str:
    if text_of(str(clip.path.absolute())) != str(clip.path.absolute()):
        return "has a name that is no UTF-8; rename the file or its folder"
    length = len(os.fsencode(clip.name))
    if length > MOST_NAME_BYTES:
        return f"has a name of {length} bytes; shorten it to {MOST_NAME_BYTES}"
    if clip.name in ("", ".", "..") or clip.name.startswith(".") or any(mark in clip.name for mark in "/\\\0\n\r"):
        return "has a name that begins with a dot or holds a slash or a line break; rename it"
    return ""
