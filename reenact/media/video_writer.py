"""Writing video files: H.264, exact frame rates, sound carried over, nothing half-written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace

from reenact.errors import ReenactError
from reenact.media.media_files import create_media, partial_path
from reenact.media.sound import Soundtrack
from reenact.media.video import Image


class VideoWriter:
    """Writes RGB frames to an mp4 file; a context manager that leaves the whole file or none.

    Sizes are made even by repeating the last column or row, as yuv420p asks. Sound is cut at the last frame.

    Args:
        path: The file to make; one that exists is replaced at the end.
        fps: Exact frame rate.
        size: Width and height of the frames.
        audio_from: A video or sound file whose first audio stream is carried over.
        metadata: Words to carry in the file.
        crf: x264's quality, 0 lossless to 51 worst; 17 is taken as visually lossless.

    Raises:
        ReenactError: if the file can't be written, now or later.
    """

    def __init__(
        self,
        path: Path,
        fps: Fraction,
        size: tuple[int, int],
        *,
        audio_from: Path | None = None,
        metadata: Mapping[str, str] | None = None,
        crf: int = 17,
    ) -> None:
        self.path = path
        self.frames_written = 0
        self._fps = fps
        self._size = size
        self._temporary = partial_path(path)
        try:
            self._temporary.touch()  # FFmpeg opens the file at the first packet alone
            self._temporary.unlink()
        except OSError as error:
            raise ReenactError(
                f"can't be written ({error.strerror})", subject=path, remedy="give a path in a writable folder"
            ) from error
        options = {"movflags": "use_metadata_tags+faststart"}
        self._container = create_media(self._temporary, "mp4", options)
        self._container.metadata.update(metadata or {})
        self._stream = self._container.add_stream("libx264", rate=fps, options={"crf": str(crf), "preset": "medium"})
        self._stream.width, self._stream.height = size[0] + size[0] % 2, size[1] + size[1] % 2
        self._stream.pix_fmt = "yuv420p"
        self._stream.time_base = 1 / fps
        context = self._stream.codec_context
        context.colorspace = context.color_primaries = context.color_trc = int(Colorspace.ITU709)
        context.color_range = int(ColorRange.MPEG)
        self._audio = Soundtrack(audio_from, self._container) if audio_from else None

    def write(self, image: Image) -> None:
        """Append one (H, W, 3) RGB frame.

        Raises:
            ValueError: if its size is not the writer's.
        """
        if image.shape != (self._size[1], self._size[0], 3):
            raise ValueError(f"a frame of shape {image.shape} in a video of {self._size[0]} x {self._size[1]}")
        padded = np.pad(image, ((0, image.shape[0] % 2), (0, image.shape[1] % 2), (0, 0)), mode="edge")
        frame = VideoFrame.from_ndarray(np.ascontiguousarray(padded), format="rgb24").reformat(
            format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
        )
        frame.pts, frame.time_base = self.frames_written, 1 / self._fps
        with self._disk():
            self._container.mux(self._stream.encode(frame))
            self.frames_written += 1
            if self._audio:
                self._audio.mux_until(self.frames_written / self._fps)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with self._disk():
                if error is None and self.frames_written:
                    self._container.mux(self._stream.encode())
                self._container.close()
                if error is None and self.frames_written:
                    self._temporary.replace(self.path)
        finally:
            if self._audio:
                self._audio.close()
            self._temporary.unlink(missing_ok=True)
        if error is None and not self.frames_written:
            raise ReenactError("would have no frame; nothing was written", subject=self.path)

    @contextmanager
    def _disk(self) -> Iterator[None]:
        try:
            yield
        except (FFmpegError, OSError) as error:
            raise ReenactError(
                f"can't be written ({error})", subject=self.path, remedy="free space or choose another path"
            ) from error
