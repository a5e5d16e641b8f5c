"""Input and output files of the apps: pictures or videos, told apart by name, checked before any work."""

from __future__ import annotations

from pathlib import Path

from reenact.errors import ReenactError
from reenact.media.media_files import partial_path
from reenact.media.pictures import PICTURE_SUFFIXES
from reenact.media.video import VIDEO_SUFFIXES

OUTPUT_VIDEOS = (".mp4", ".m4v", ".mov")
"""Suffixes of the container that `VideoWriter` writes."""
OUTPUT_PICTURES = (".png", ".jpg", ".jpeg", ".webp")


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


def check_output(path: Path, overwrite: bool) -> None:
    """Refuse an output path before any work is done for it.

    Raises:
        ReenactError: if its suffix is not written here, its folder is missing or not writable, or it exists.
    """
    if path.suffix.lower() not in (*OUTPUT_VIDEOS, *OUTPUT_PICTURES):
        raise ReenactError(f"--out {path} has no known suffix; name it .mp4 for a video or .png for a picture")
    if path.is_dir():
        raise ReenactError(f"--out {path} is a folder; give the path of a file")
    if not path.parent.is_dir():
        raise ReenactError(f"output folder {path.parent} does not exist; make it or choose another")
    if path.exists() and not overwrite:
        raise ReenactError(f"--out {path} exists; choose another path or pass --overwrite")
    trial = partial_path(path)
    try:
        # Permission bits don't tell: root passes them all, and a disk can be read-only or full.
        trial.touch()
        trial.unlink()
    except OSError as error:
        raise ReenactError(f"output folder {path.parent} is not writable ({error.strerror}); choose another") from error
