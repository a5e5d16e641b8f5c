"""Writing results: one picture or a video, whole or not at all, with both marks; paths are checked before any work."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from itertools import chain
from pathlib import Path

from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from reenact.errors import ReenactError
from reenact.faces.portrait import to_bytes
from reenact.media.media_files import partial_path
from reenact.media.media_kinds import is_picture
from reenact.media.mesh_files import MESH_SUFFIXES, write_mesh
from reenact.media.pictures import write_image
from reenact.media.video import Image
from reenact.media.video_writer import VideoWriter
from reenact.models.common.surface import Surface
from reenact.progress import open_progress_console
from reenact.watermark import choose_crf, embed_watermark

OUTPUT_VIDEOS = (".mp4", ".m4v", ".mov")
"""Suffixes of the container that `VideoWriter` writes."""
OUTPUT_PICTURES = (".png", ".jpg", ".jpeg", ".webp")


def check_output(path: Path, overwrite: bool, meshes: bool = False) -> None:
    """Refuse an output path before any work is done for it.

    Args:
        path: The file.
        overwrite: Let it be replaced.
        meshes: Let it be a mesh.

    Raises:
        ReenactError: if its suffix is not written here, its folder is missing or not writable, or it exists.
    """
    suffixes = (*OUTPUT_VIDEOS, *OUTPUT_PICTURES, *(MESH_SUFFIXES if meshes else ()))
    if path.suffix.lower() not in suffixes:
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


class FrameBar:
    """Progress of the frames of a file: the share that is written, or that of the work where more of it is finished.

    A method that works on all frames before it returns the first one reports its work to the bar of the writer.
    """

    def __init__(self) -> None:
        columns = (
            TextColumn("[progress.description]{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(elapsed_when_finished=True),
        )
        self._bar = Progress(*columns, console=open_progress_console())
        self._task = self._bar.add_task("", total=1.0)

    @property
    def fraction(self) -> float:
        """The finished share, from 0 to 1."""
        return self._bar.tasks[0].completed

    def report(self, fraction: float) -> None:
        """Show a finished share, from 0 to 1; the bar never goes back."""
        self._bar.update(self._task, completed=min(max(fraction, self.fraction), 1.0))

    def follow(self, frames: Iterator[Image], label: str, count: int) -> Iterator[Image]:
        """Return the `count` frames and show the bar while they are taken."""
        self._bar.update(self._task, description=escape(label))
        with self._bar:
            for number, frame in enumerate(frames, start=1):
                yield frame
                self.report(number / count)


def write_surface(out: Path, surface: Surface, mark: Mapping[str, str]) -> None:
    """Write a surface as a mesh.

    Args:
        out: The file.
        surface: Vertices, faces and colours.
        mark: Metadata to carry.

    Raises:
        ReenactError: if the file can't be written; nothing is left of it then.
    """
    colours = None if surface.colours is None else to_bytes(2 * surface.colours - 1).cpu().numpy()
    write_mesh(out, surface.vertices.cpu().numpy(), surface.faces.cpu().numpy(), colours, mark)


def write_frames(
    out: Path,
    frames: Iterator[Image],
    count: int,
    fps: Fraction,
    mark: Mapping[str, str],
    sound: Path | None = None,
    watermark: bool = True,
    bar: FrameBar | None = None,
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
        bar: The bar that the source of the frames reports its own work to.

    Raises:
        ReenactError: if the file can't be written; nothing is left of it then.
    """
    marked = map(embed_watermark, frames) if watermark else frames
    tracked = (bar or FrameBar()).follow(marked, f"writing {out.name}", count)
    if is_picture(out):
        (frame,) = tracked
        write_image(out, frame, mark)
        return
    first = next(tracked)
    size = first.shape[1], first.shape[0]
    crf = choose_crf(*size) if watermark else 17
    with VideoWriter(out, fps, size, audio_from=sound, metadata=mark, crf=crf) as writer:
        for frame in chain([first], tracked):
            writer.write(frame)
