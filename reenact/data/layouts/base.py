"""Layout: the form in which the owners of a data set hand it out, read into clips to prepare."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from reenact.data.layouts.clip_input import ClipInput
from reenact.errors import ReenactError
from reenact.media.video import VIDEO_SUFFIXES, VideoInfo, VideoShape, probe_video, read_shape
from reenact.names import is_name

Facts = TypeVar("Facts")
Region = tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Reader of one data set in the form in which its owners hand it out."""

    name: str
    title: str
    """Name of the data set in messages."""
    expects: str
    """Contents of its folder in half a sentence, for a person who gave another folder."""
    marks: Callable[[Path], bool]
    """Function that returns True for a folder that is plainly of this layout."""
    read: Callable[[Path], list[ClipInput]]
    """The clips of a folder; raises `ReenactError` where metadata are damaged."""


def describe_absence(subject: str) -> str:
    """The reason of a clip whose file is not there."""
    return f"{subject} is absent"


def video_named(folder: Path, stem: str) -> Path | None:
    """The video file of a name in a folder, whatever its suffix; names may begin with a dash or hold dots."""
    if not is_name(stem):
        return None
    candidates = (folder / f"{stem}{suffix}" for suffix in sorted(VIDEO_SUFFIXES))
    return next((path for path in candidates if path.is_file()), None)


class Videos:
    """The source videos of a set, each looked at once.

    Args:
        folder: Where they lie, by their YouTube id or another stem.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._shapes: dict[str, VideoShape | str] = {}
        self._infos: dict[str, VideoInfo | str] = {}

    def shape(self, stem: str) -> VideoShape | str:
        """Read a video's size by its first picture, however long it is; or say why there is none."""
        if stem not in self._shapes:
            self._shapes[stem] = self._read(stem, read_shape)
        return self._shapes[stem]

    def info(self, stem: str) -> VideoInfo | str:
        """Read a video's packets for its exact rate; or say why there is none."""
        if stem not in self._infos:
            self._infos[stem] = self._read(stem, probe_video)
        return self._infos[stem]

    def _read(self, stem: str, read: Callable[[Path], Facts]) -> Facts | str:
        if not is_name(stem):
            return f"{stem[:60]!r} in the metadata is no name of a video"
        path = video_named(self.folder, stem)
        if path is None:
            return describe_absence(f"{self.folder.name}/{stem}.mp4")
        try:
            return read(path)
        except ReenactError as error:
            return error.describe_within(path)


def scale_box(box: tuple[float, float, float, float], width: float, height: float) -> Region:
    """A box (left, top, right, bottom) in pixels of a frame as fractions of it, cut at its edges."""
    x_min, y_min, x_max, y_max = box
    return (
        min(max(x_min / width, 0.0), 1.0),
        min(max(y_min / height, 0.0), 1.0),
        min(max(x_max / width, 0.0), 1.0),
        min(max(y_max / height, 0.0), 1.0),
    )


def read_lines(path: Path) -> list[str]:
    """The lines of a metadata file, without blank ones; raises `ReenactError` where it can't be read."""
    if not path.is_file():
        raise ReenactError(f"{path} is not a file; download it again")
    try:
        return [line for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise ReenactError(f"{path} can't be read as text ({error}); download it again") from error


def damaged_line_error(path: Path, line: str, expected: str) -> ReenactError:
    """The refusal of a metadata file with a line of another form."""
    return ReenactError(f"{path} has a line {line[:60]!r} where {expected} was expected; download it again")


def by_name(clips: Iterable[ClipInput]) -> list[ClipInput]:
    """Clips by name, each once: of two with one name the first stays."""
    clips_by_name: dict[str, ClipInput] = {}
    for clip in clips:
        clips_by_name.setdefault(clip.name, clip)
    return [clips_by_name[name] for name in sorted(clips_by_name)]
