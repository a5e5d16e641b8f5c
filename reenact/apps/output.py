"""Writing results: one picture or a video, whole or not at all, with both marks; paths are checked before any work."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from itertools import chain
from pathlib import Path

from rich.markup import escape
from rich.progress import track

from reenact.errors import ReenactError
from reenact.media.media_files import partial_path
from reenact.media.media_kinds import is_picture
from reenact.media.pictures import write_image
from reenact.media.video import Image
from reenact.media.video_writer import VideoWriter
from reenact.progress import open_progress_console
from reenact.watermark import choose_crf, embed_watermark

OUTPUT_VIDEOS = (".mp4", ".m4v", ".mov")
"""Suffixes of the container that `VideoWriter` writes."""
OUTPUT_PICTURES = (".png", ".jpg", ".jpeg", ".webp")


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


def write_frames(
    out: Path,
    frames: Iterator[Image],
    count: int,
    fps: Fraction,
    mark: Mapping[str, str],
    sound: Path | None = None,
    watermark: bool = True,
) -> None:
    """Write frames to a video, or the only frame to a picture; shows progress.

    Args:
        out: The file; its suffix says which.
        frames: `count` frames (H, W, 3) of one size.
        count: How many.
        fps: Exact frame rate.
        mark: Metadata to carry.
        sound: A file whose sound is carried over.
        watermark: Set the invisible mark in every frame.

    Raises:
        ReenactError: if the file can't be written; nothing is left of it then.
    """
    marked = map(embed_watermark, frames) if watermark else frames
    tracked = track(marked, f"writing {escape(out.name)}", total=count, console=open_progress_console())
    if is_picture(out):
        (frame,) = tracked
        write_image(out, frame, mark)
        return
    stream = iter(tracked)
    first = next(stream)
    size = first.shape[1], first.shape[0]
    crf = choose_crf(*size) if watermark else 17
    with VideoWriter(out, fps, size, audio_from=sound, metadata=mark, crf=crf) as writer:
        for frame in chain([first], stream):
            writer.write(frame)
