"""Writing results: one picture or a video, whole or not at all, with both marks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from itertools import chain
from pathlib import Path

from rich.markup import escape
from rich.progress import track

from reenact.apps.media import is_picture
from reenact.media.pictures import write_image
from reenact.media.video import Image
from reenact.media.video_writer import VideoWriter
from reenact.progress import open_progress_console
from reenact.watermark import choose_crf, embed_watermark


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
