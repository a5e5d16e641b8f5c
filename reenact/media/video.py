"""Reading video files: what they are, their frames in order, single frames by number.

Time line: every file is read at one constant rate, `VideoInfo.fps`. Frame k is the picture on display at the time
(k + 1/2) / fps after the first picture. For files of constant rate that is every coded frame once; files of
variable rate are resampled by their time stamps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from av.video.stream import VideoStream

from reenact.errors import ReenactError
from reenact.media.file_cache import FileCache
from reenact.media.index_files import Facts, load_index, save_index
from reenact.media.media_files import MAX_PIXELS
from reenact.media.video_decode import check_is_file, open_video, pictures_by_rank
from reenact.media.video_display import Display, Image, read_display, to_image
from reenact.media.video_index import VideoIndex, build_index
from reenact.media.video_packets import read_packets
from reenact.media.video_times import check_times, count_frames, frame_rate, pictures_at

__all__ = ["VIDEO_SUFFIXES", "Image", "VideoInfo", "VideoReader", "VideoShape", "probe_video", "read_shape"]

VIDEO_SUFFIXES = frozenset({".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v", ".mpg", ".mpeg", ".gif"})
_CACHE_BYTES = 256 << 20
_CLOCK_TICKS = 2
"""A stated base rate of more than so many average ones is the clock of a file of variable rate."""


@dataclass(frozen=True, kw_only=True)
class VideoInfo:
    """A video file as a player shows it, by its packets and first picture."""

    path: Path
    width: int
    """Pixels, after rotation, square."""
    height: int
    """Pixels, after rotation, square."""
    fps: Fraction
    num_frames: int
    """Frames at `fps`, by the time stamps of all packets."""
    duration: float
    """Seconds for which the pictures are on display."""
    has_audio: bool
    rotation: int
    """Degrees by which the stored pictures are turned for display: 0, 90, 180 or 270, counter-clockwise."""
    mirrored: bool = False
    """True where stored pictures are mirrored left to right before they are turned."""


@dataclass(frozen=True)
class VideoShape:
    """A video's size as a player shows it."""

    path: Path
    width: int
    """Pixels, after rotation, square."""
    height: int
    """Pixels, after rotation, square."""


@dataclass(frozen=True)
class _Video:
    info: VideoInfo
    index: VideoIndex


def probe_video(path: Path, on_disk: bool = False) -> VideoInfo:
    """Read a video's packets and first picture.

    Args:
        path: The file.
        on_disk: True to keep what was read in the cache on disk, for files that many processes open.

    Raises:
        ReenactError: if the file is missing, empty, cut off, damaged, not a video, or beyond the limits of sizes and
            times.
    """
    return replace(_load_video(path, on_disk).info, path=path)


def read_shape(path: Path) -> VideoShape:
    """Read a video's first picture alone.

    Raises:
        ReenactError: as `probe_video`, except for what only the other packets tell.
    """
    with open_video(path) as (container, stream):
        frame = next(container.decode(stream), None)
        if frame is None:
            raise ReenactError("has no decodable picture", subject=path, remedy="copy or download it again")
        display = read_display(path, frame, stream.sample_aspect_ratio)
    return VideoShape(path, display.width, display.height)


class VideoReader:
    """The frames of a video as RGB pictures, upright, at a constant rate, in constant memory.

    Args:
        path: The file.
        fps: The rate to read at; the file's own by default.
        threads: Decoder threads; 0 lets the decoder choose.
        on_disk: As `probe_video` has it.

    Raises:
        ReenactError: as `probe_video`; while reading, if the file turns out damaged.
    """

    def __init__(self, path: Path, fps: Fraction | None = None, threads: int = 1, on_disk: bool = False) -> None:
        self.info = probe_video(path, on_disk)
        self.path = path
        self.fps = fps or self.info.fps
        self._threads = threads
        self._on_disk = on_disk

    def __iter__(self) -> Iterator[Image]:
        return self.part(0)

    def __len__(self) -> int:
        """Frames at the reader's rate."""
        index = _load_video(self.path, self._on_disk).index
        return count_frames(index.times, index.tick, index.last, self.fps)

    def part(self, first: int, end: int | None = None) -> Iterator[Image]:
        """Frames `first` to `end - 1`, as far as the video has them; decodes from a key frame before."""
        video = _load_video(self.path, self._on_disk)
        index = video.index
        ranks = pictures_at(index.times, index.tick, index.last, self.fps, first, end)
        yield from self._images(video, ranks.tolist())

    def frames(self, indices: Iterable[int]) -> list[Image]:
        """Frames by number, in the order asked; decodes from a key frame before each run of them.

        Raises:
            ReenactError: if a frame lies outside the video.
        """
        video = _load_video(self.path, self._on_disk)
        index = video.index
        numbers = list(indices)
        count = count_frames(index.times, index.tick, index.last, self.fps)
        outside = next((number for number in sorted(numbers) if not 0 <= number < count), None)
        if outside is not None:
            raise ReenactError(f"has no frame {outside}: it has {count}", subject=self.path)
        images: dict[int, Image] = {}
        for run in _split_runs(sorted(set(numbers)), gap=round(2 * self.fps)):
            picture_numbers = pictures_at(index.times, index.tick, index.last, self.fps, run[0], run[-1] + 1)
            ranks = picture_numbers[np.array(run) - run[0]].tolist()
            images.update(zip(run, self._images(video, ranks), strict=True))
        return [images[number] for number in numbers]

    def _images(self, video: _Video, ranks: list[int]) -> Iterator[Image]:
        info = video.info
        display = Display(info.width, info.height, info.rotation, info.mirrored)
        for frame in pictures_by_rank(self.path, video.index, ranks, self._threads):
            yield to_image(frame, display)


def _read_video(path: Path) -> tuple[_Video, int]:
    with open_video(path) as (container, stream):
        table = read_packets(container, stream)
        if table.first is None:
            raise ReenactError("has no decodable picture", subject=path, remedy="copy or download it again")
        frame = table.first[1]
        stated = _stated_rates(stream)
        index = build_index(container, stream, table, next(iter(stated), Fraction(25)))
        display = read_display(path, frame, stream.sample_aspect_ratio)
        has_audio = bool(container.streams.audio)
    check_times(path, index.times, index.tick)
    fps = frame_rate(path, index.times, index.tick, stated)
    index = index.with_last(fps)
    count = count_frames(index.times, index.tick, index.last, fps)
    info = VideoInfo(
        path=path,
        width=display.width,
        height=display.height,
        fps=fps,
        num_frames=count,
        duration=float(index.length),
        has_audio=has_audio,
        rotation=display.rotation,
        mirrored=display.mirrored,
    )
    return _Video(info, index), index.size


def _stated_rates(stream: VideoStream) -> list[Fraction]:
    """Frames per second by the header, the likeliest first."""
    guessed, average = stream.guessed_rate, stream.average_rate
    nominal = [guessed] if guessed and (not average or guessed <= _CLOCK_TICKS * average) else []
    return [Fraction(rate).limit_denominator(1001) for rate in (*nominal, average) if rate]


def _read_on_disk(path: Path) -> tuple[_Video, int]:
    """Read a video from its index on disk, which is written where there is none."""
    saved = load_index(path)
    info = None if saved is None else _saved_info(path, *saved)
    if saved is not None and info is not None:
        return _Video(info, saved[0]), saved[0].size
    video, size = _read_video(path)
    facts = {name: getattr(video.info, name) for name in _FACTS}
    save_index(path, video.index, {**facts, "fps": str(video.info.fps)})
    return video, size


def _saved_info(path: Path, index: VideoIndex, facts: Facts) -> VideoInfo | None:
    """Complete what was saved of a video by its index; None where it makes no sense."""
    try:
        fps = Fraction(facts["fps"])
        values = {name: kind(facts[name]) for name, kind in _FACTS.items()}
        count = count_frames(index.times, index.tick, index.last, fps)
    except (KeyError, ValueError, TypeError, ArithmeticError):
        return None
    info = VideoInfo(path=path, fps=fps, num_frames=count, duration=float(index.length), **values)
    whole = 0 < info.width * info.height <= MAX_PIXELS and info.width > 0 and info.rotation in (0, 90, 180, 270)
    return info if whole and count > 0 else None


_FACTS: dict[str, Callable[[Any], Any]] = {
    "width": int,
    "height": int,
    "has_audio": bool,
    "rotation": int,
    "mirrored": bool,
}
"""Fields of `VideoInfo` that its index and its rate do not tell, and their types."""
_cache = FileCache(_read_video, _CACHE_BYTES)
_cache_on_disk = FileCache(_read_on_disk, _CACHE_BYTES)


def _load_video(path: Path, on_disk: bool) -> _Video:
    check_is_file(path)
    return _cache_on_disk(path) if on_disk else _cache(path)


def _split_runs(indices: list[int], gap: int) -> Iterator[list[int]]:
    """Split sorted numbers where seeking is cheaper than decoding on."""
    run: list[int] = []
    for index in indices:
        if run and index - run[-1] > gap:
            yield run
            run = []
        run.append(index)
    if run:
        yield run
