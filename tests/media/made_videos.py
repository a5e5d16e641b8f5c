"""Tiny made videos: frame k is one grey level, so that frames can be told apart after compression."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame

LEVELS = 8
"""Grey levels between two frames."""


def grey(number: int, width: int = 64, height: int = 48) -> np.ndarray:
    return np.full((height, width, 3), 20 + LEVELS * (number % 25), np.uint8)


def number_of(image: np.ndarray) -> int:
    return round((float(image.mean()) - 20) / LEVELS)


def make_video(
    path: Path,
    frames: int = 20,
    fps: Fraction = Fraction(30000, 1001),
    *,
    sound: str | None = None,
    rotation: int = 0,
    times: list[int] | None = None,
    faststart: bool = False,
    codec: str = "libx264",
) -> Path:
    """H.264 of grey frames; `times` are time stamps in milliseconds, `sound` is the codec of a tone."""
    options = {"movflags": "faststart"} if faststart else {}
    with av.open(str(path), "w", container_options=options) as container:
        stream = container.add_stream(codec, rate=fps, options={"crf": "10", "g": "12"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        if times is not None:
            stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        if rotation:
            stream.set_display_rotation(rotation)
        if sound:
            tone = container.add_stream(sound, rate=44100)
        for number in range(frames):
            image = grey(number)
            image[:8, :8] = 255 if rotation else image[:8, :8]
            frame = VideoFrame.from_ndarray(image, format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = times[number], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if sound:
            _add_tone(container, tone, float(frames / fps))
    return path


def _add_tone(container: av.container.OutputContainer, stream: av.AudioStream, seconds: float) -> None:
    samples = np.sin(np.arange(int(44100 * seconds)) * 0.05).astype(np.float32) * 0.5
    for start in range(0, len(samples), 1024):
        piece = samples[start : start + 1024]
        frame = AudioFrame.from_ndarray(np.stack([piece, piece]), format="fltp", layout="stereo")
        frame.rate, frame.pts = 44100, start
        container.mux(stream.encode(frame))
    container.mux(stream.encode())
