"""Pictures and videos, told apart by the names of their files."""

from __future__ import annotations

from pathlib import Path

from reenact.errors import ReenactError
from reenact.media.pictures import PICTURE_SUFFIXES
from reenact.media.video import VIDEO_SUFFIXES


def is_picture(path: Path) -> bool:
    """Tell if a file's name is that of a picture."""
    return path.suffix.lower() in PICTURE_SUFFIXES


def is_video(path: Path) -> bool:
    """Tell if a file's name is that of a video."""
    return path.suffix.lower() in VIDEO_SUFFIXES


def check_input(path: Path, option: str) -> None:
    """Refuse a path that is neither a picture nor a video.

    Raises:
        ReenactError: if it is missing or has another suffix.
    """
    if not path.is_file():
        raise ReenactError(f"{option} {path} is not a file; give the path of a picture or a video")
    if not is_picture(path) and not is_video(path):
        suffixes = ", ".join(sorted(PICTURE_SUFFIXES | VIDEO_SUFFIXES))
        raise ReenactError(f"{option} {path} is neither a picture nor a video; give a file of one of {suffixes}")
