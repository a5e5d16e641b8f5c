"""Reading video files: what they are, their frames in order, single frames by number.

Time line: every file is read at one constant rate, `VideoInfo.fps`. Frame k is the picture on display at the time
(k + 1/2) / fps after the first picture. For files of constant rate that is every coded frame once; files of
variable rate are resampled by their time stamps.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation
from av.video.stream import VideoStream
from numpy.typing import NDArray

from reenact.data.media_files import open_media
from reenact.errors import ReenactError

Image = NDArray[np.uint8]
"""(H, W, 3) RGB picture."""

VIDEO_SUFFIXES = frozenset({".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v", ".mpg", ".mpeg", ".gif"})

# Without exact rounding and full chroma, decoded colours are one to two levels too dark.
_SCALER = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT


@dataclass(frozen=True)
class VideoInfo:
    """What a video file says about itself."""

    path: Path
    width: int
    """Pixels, after rotation."""
    height: int
    """Pixels, after rotation."""
    fps: Fraction
    num_frames: int | None
    """Frames by the file's header; None where it has none. Exact counts come from reading."""
    duration: float | None
    """Seconds by the file's header."""
    has_audio: bool
    rotation: int
    """Degrees by which the stored pictures are turned for display: 0, 90, 180 or 270, counter-clockwise."""


def probe(path: Path) -> VideoInfo:
    """Read a video's header and first picture.

    Raises:
        ReenactError: if the file is missing, empty, damaged, not a video, or has no video stream.
    """
    with _open(path) as (container, stream):
        frame = _first_frame(path, container, stream)
        rotation = _rotation(frame)
        turned = rotation % 180 != 0
        return VideoInfo(
            path=path,
            width=frame.height if turned else frame.width,
            height=frame.width if turned else frame.height,
            fps=_rate(stream),
            num_frames=stream.frames or None,
            duration=_duration(container, stream),
            has_audio=bool(container.streams.audio),
            rotation=rotation,
        )


class VideoReader:
    """The frames of a video as RGB pictures, upright, at a constant rate, in constant memory.

    Args:
        path: The file.
        fps: The rate to read at; the file's own by default.
        threads: Decoder threads; 0 lets the decoder choose.

    Raises:
        ReenactError: as `probe`; while reading, if the file turns out damaged or ends before its stated end.
    """

    def __init__(self, path: Path, fps: Fraction | None = None, threads: int = 1) -> None:
        self.info = probe(path)
        self.path = path
        self.fps = fps or self.info.fps
        self._threads = threads

    def __iter__(self) -> Iterator[Image]:
        for _, frame in self._timeline(start=0):
            yield _upright(frame, self.info.rotation)

    def part(self, first: int, end: int) -> Iterator[Image]:
        """Frames `first` to `end - 1`, as far as the video has them; decodes from the key frame before."""
        for index, frame in self._timeline(start=first):
            if index >= end:
                return
            yield _upright(frame, self.info.rotation)

    def frames(self, indices: Iterable[int]) -> list[Image]:
        """Frames by number, in the order asked; decodes from the key frame before each run of them.

        Raises:
            ReenactError: if a frame lies outside the video.
        """
        wanted = list(indices)
        found: dict[int, Image] = {}
        for run in _runs(sorted(set(wanted)), gap=round(2 * self.fps)):
            remaining = set(run)
            for index, frame in self._timeline(start=run[0]):
                if index in remaining:
                    found[index] = _upright(frame, self.info.rotation)
                    remaining.remove(index)
                if not remaining:
                    break
            if remaining:
                raise ReenactError(f"{self.path} has no frame {min(remaining)}")
        return [found[index] for index in wanted]

    def _timeline(self, start: int) -> Iterator[tuple[int, VideoFrame]]:
        """Pairs of frame number and decoded frame, from number `start` on."""
        index, shown = start, None
        for seconds, frame in self._decoded(Fraction(start) / self.fps):
            while shown is not None and (index + Fraction(1, 2)) / self.fps < seconds:
                yield index, shown
                index += 1
            shown, end = frame, seconds + self._length(frame)
        while shown is not None and (index + Fraction(1, 2)) / self.fps < end:
            yield index, shown
            index += 1

    def _decoded(self, start: Fraction) -> Iterator[tuple[Fraction, VideoFrame]]:
        """Pairs of display time in seconds after the first picture and decoded frame, from before `start` on."""
        with _open(self.path) as (container, stream):
            stream.thread_count = self._threads
            first = _first_frame(self.path, container, stream)
            origin = first.pts or 0
            base = stream.time_base or Fraction(1, 1000)
            container.seek(origin + int(start / base), stream=stream, backward=True)
            end = Fraction(0)
            with _readable(self.path):
                for frame in container.decode(stream):
                    seconds = ((frame.pts or 0) - origin) * base
                    end = max(end, seconds + self._length(frame))
                    yield seconds, frame
            stated = _stated_end(stream, origin)
            if stated is not None and end < stated - max(Fraction(1, 10), 3 / self.info.fps):
                raise ReenactError(
                    f"{self.path} is truncated: it ends after {float(end):.2f} of {float(stated):.2f} s; "
                    "copy or download it again"
                )

    def _length(self, frame: VideoFrame) -> Fraction:
        """Seconds a frame stays on display."""
        if frame.duration and frame.time_base:
            return frame.duration * frame.time_base
        return 1 / self.info.fps


@contextmanager
def _open(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    if not path.is_file():
        raise ReenactError(f"{path} is not a file; give the path of a video")
    if path.stat().st_size == 0:
        raise ReenactError(f"{path} is empty; copy or download it again")
    try:
        container = open_media(path)
    except FFmpegError as error:
        raise ReenactError(f"{path} is not a readable video ({error.strerror}); copy or download it again") from error
    with container:
        name = container.format.name
        # FFmpeg also opens single pictures and plain text as "videos" of one frame.
        if name.endswith("_pipe") or name in ("image2", "tty"):
            raise ReenactError(f"{path} is not a video (its content is {name}); give a video file")
        streams = [
            stream for stream in container.streams.video if not stream.disposition & stream.disposition.attached_pic
        ]
        if not streams:
            raise ReenactError(f"{path} has no video stream; give a video file")
        yield container, streams[0]


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except FFmpegError as error:
        raise ReenactError(f"{path} is damaged ({error.strerror}); copy or download it again") from error


def _first_frame(path: Path, container: InputContainer, stream: VideoStream) -> VideoFrame:
    with _readable(path):
        for frame in container.decode(stream):
            return frame
    raise ReenactError(f"{path} has no decodable picture; copy or download it again")


def _rate(stream: VideoStream) -> Fraction:
    """Frames per second; the average where the base rate is only a clock tick of a variable-rate file."""
    guessed, average = stream.guessed_rate, stream.average_rate
    if average and (not guessed or guessed > 2 * average):
        return Fraction(average).limit_denominator(1001)
    return Fraction(guessed or 25)


def _duration(container: InputContainer, stream: VideoStream) -> float | None:
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else None


def _stated_end(stream: VideoStream, origin: int) -> Fraction | None:
    """Seconds from the first picture to the end that the header states."""
    if not stream.duration or not stream.time_base:
        return None
    return ((stream.start_time or 0) + stream.duration - origin) * stream.time_base


def _rotation(frame: VideoFrame) -> int:
    return round(frame.rotation / 90) * 90 % 360


def _upright(frame: VideoFrame, rotation: int) -> Image:
    image = frame.to_ndarray(format="rgb24", interpolation=_SCALER, src_color_range=frame.color_range)
    image = image.astype(np.uint8, copy=False)
    return np.ascontiguousarray(np.rot90(image, rotation // 90)) if rotation else image


def _runs(indices: list[int], gap: int) -> Iterator[list[int]]:
    """Split sorted numbers where seeking is cheaper than decoding on."""
    run: list[int] = []
    for index in indices:
        if run and index - run[-1] > gap:
            yield run
            run = []
        run.append(index)
    if run:
        yield run
