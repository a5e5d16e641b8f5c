"""A clip that is to be prepared, as a data set names it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
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
    """Whether its pictures come from several videos, so that cuts are no reason to leave any out."""
    missing: str = ""
    """Why the data set's metadata name a clip that can't be there, such as `video abc.mp4 is absent`."""
