"""Sound on its way from one file into an mp4 file: copied where mp4 carries its codec, else encoded as AAC.

Time: zero is the first picture of the file that the sound comes from. Sound that was lost on the way, such as missing
packets of a recorded call, stays silent for as long as it was lost, so that all later sound keeps its place.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Literal, TypeAlias

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.codec.codec import Codec
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError, InvalidDataError
from av.packet import Packet
from numpy.typing import NDArray

from reenact.errors import ReenactError
from reenact.media.media_files import open_media

TimedPacket: TypeAlias = "tuple[Fraction, Packet[AudioStream]]"
"""Seconds after the first picture, and a packet of sound."""
Samples: TypeAlias = "NDArray[np.int16]"
"""(C, N) samples of C channels."""
Carriage: TypeAlias = Literal["copy", "encode"]

COPIED_CODECS = frozenset({"aac", "mp3", "ac3", "alac"})
"""Codecs that an mp4 file carries as they are; others are encoded as AAC."""
MAX_RATE = 48000
"""Samples per second of the AAC that is written for sound of a higher or unusual rate; every player takes it."""
TOLERANCE = Fraction(1, 50)
"""Seconds by which time stamps may disagree with the count of samples: containers round them to milliseconds."""
_TRIAL_PACKETS = 8


def check_sound(path: Path) -> None:
    """Try the first packets of a file's sound, before any long work is done for it.

    Raises:
        ReenactError: if the file can't be read, or an mp4 file can't carry its sound. A file without sound is right.
    """
    _choose_carriage(path)


class Soundtrack:
    """The sound of a file on its way into another, read along with the picture in constant memory.

    Args:
        path: A video or sound file; its first audio stream is carried, or nothing where it has none.
        output: The mp4 file, before its first packet.

    Raises:
        ReenactError: as `check_sound`.
    """

    def __init__(self, path: Path, output: OutputContainer) -> None:
        carriage = _choose_carriage(path)
        self._input = _open_sound(path)
        self._output = output
        self._packets = _add_stream(self._input, output, carriage) if carriage else iter(())
        self._pending: TimedPacket | None = None

    def mux_until(self, end: Fraction) -> None:
        """Write the packets that begin before `end` seconds."""
        while True:
            item = self._pending or next(self._packets, None)
            self._pending = None
            if item is None:
                return
            if item[0] >= end:
                self._pending = item
                return
            self._output.mux(item[1])

    def close(self) -> None:
        """Close the file that the sound comes from."""
        self._input.close()


def _open_sound(path: Path) -> InputContainer:
    try:
        return open_media(path)
    except (FFmpegError, OSError) as error:
        raise ReenactError(
            f"can't be read for its sound ({error.strerror})",
            subject=path,
            remedy="give a readable file or --audio none",
        ) from error


def _choose_carriage(path: Path) -> Carriage | None:
    """Find by trial if a file's sound can be copied, else encoded; None where it has none."""
    with _open_sound(path) as container:
        if not container.streams.audio:
            return None
        source = container.streams.audio[0]
        context = source.codec_context
        codec = context.codec.canonical_name if context else ""
        form = f"{codec}, {source.rate} Hz, {source.channels} channels" if context else "a codec that FFmpeg lacks"
    ways: tuple[Carriage, ...] = ("copy", "encode") if codec in COPIED_CODECS else ("encode",)
    reason = ""
    for carriage in ways:
        try:
            _try_carriage(path, carriage)
        except (FFmpegError, OSError, ValueError, AttributeError) as error:
            reason = str(error)
            continue
        return carriage
    raise ReenactError(
        f"the sound of {path} ({form}) can't be carried into an mp4 file ({reason}); "
        "pass --audio none, or convert it first"
    )


def _try_carriage(path: Path, carriage: Carriage) -> None:
    with open_media(path) as source, av.open(io.BytesIO(), "w", format="mp4") as trial:
        for _, packet in islice(_add_stream(source, trial, carriage), _TRIAL_PACKETS):
            trial.mux(packet)


def _add_stream(source: InputContainer, output: OutputContainer, carriage: Carriage) -> Iterator[TimedPacket]:
    """Add a stream of sound to `output` and return the packets to write into it."""
    stream = source.streams.audio[0]
    origin = _find_origin(source)
    if carriage == "copy":
        return _copy_packets(source, stream, output.add_stream_from_template(stream), origin)
    rates = Codec("aac", "w").audio_rates or []
    rate = stream.rate if stream.rate in rates and stream.rate <= MAX_RATE else MAX_RATE
    target = output.add_stream("aac", rate=rate, layout="mono" if stream.channels == 1 else "stereo")
    return _encode_packets(source, stream, target, origin)


def _find_origin(container: InputContainer) -> Fraction:
    """Time in seconds of the first picture; zero for a file of sound, whose only picture is its cover."""
    for video in container.streams.video:
        if not video.disposition & video.disposition.attached_pic:
            return (video.start_time or 0) * (video.time_base or Fraction(0))
    return Fraction(0)


def _copy_packets(
    source: InputContainer, stream: AudioStream, target: AudioStream, origin: Fraction
) -> Iterator[TimedPacket]:
    base = stream.time_base or Fraction(1, stream.rate)
    shift = round(origin / base)
    # mp4 takes no two packets at one time; the clock of its sound ticks once a sample.
    step = max(1, math.ceil(1 / (base * stream.rate)))
    last = -math.inf
    for packet in source.demux(stream):
        # The packet that ends at the first picture primes the decoder, so it stays.
        if packet.dts is None or packet.pts is None or packet.pts + (packet.duration or 0) < shift:
            continue
        packet.dts = int(max(packet.dts - shift, last + step))
        packet.pts = max(packet.pts - shift, packet.dts)
        last = packet.dts
        packet.stream = target
        yield packet.pts * base, packet


def _encode_packets(
    source: InputContainer, stream: AudioStream, target: AudioStream, origin: Fraction
) -> Iterator[TimedPacket]:
    rate, layout = target.rate, target.layout.name
    position = 0
    for samples in _fill_holes(_resample_sound(source, stream, layout, rate, origin), rate):
        frame = AudioFrame.from_ndarray(samples.astype(np.float32) / 32768, format="fltp", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, position, Fraction(1, rate)
        position += samples.shape[1]
        for packet in target.encode(frame):
            yield _read_seconds(packet), packet
    for packet in target.encode(None):
        yield _read_seconds(packet), packet


def _resample_sound(
    source: InputContainer, stream: AudioStream, layout: str, rate: int, origin: Fraction
) -> Iterator[tuple[int | None, Samples]]:
    """Decode to samples of one rate and layout, each piece with the number of its first sample after `origin`."""
    resampler, form = None, None
    for frame in _decode_frames(source, stream):
        if form != (frame.format.name, frame.layout.name, frame.sample_rate):
            form = frame.format.name, frame.layout.name, frame.sample_rate
            # Mixing down into whole numbers scales the sum of the channels, into floats it clips.
            resampler = AudioResampler(format="s16p", layout=layout, rate=rate)
        assert resampler is not None
        for piece in resampler.resample(frame):
            start = None
            if piece.pts is not None and piece.time_base is not None:
                start = round((piece.pts * piece.time_base - origin) * rate)
            yield start, piece.to_ndarray().astype(np.int16, copy=False)


def _decode_frames(source: InputContainer, stream: AudioStream) -> Iterator[AudioFrame]:
    for packet in source.demux(stream):
        try:
            yield from packet.decode()
        except InvalidDataError:  # a damaged packet is silence, as a lost one
            continue


def _fill_holes(pieces: Iterator[tuple[int | None, Samples]], rate: int) -> Iterator[Samples]:
    """Put pieces of sound on one time line from zero: silence where there is a hole, overlaps cut."""
    position = 0
    tolerance = round(TOLERANCE * rate)
    first = True
    for start, samples in pieces:
        offset = 0 if start is None else start - position
        if first or abs(offset) > tolerance:
            # At most a second at once, since the hole may be hours long and the picture end in it.
            for passed in range(0, offset, rate):
                silence = np.zeros((len(samples), min(rate, offset - passed)), np.int16)
                position += silence.shape[1]
                yield silence
            samples = samples[:, max(0, -offset) :]
        first = False
        if samples.shape[1]:
            position += samples.shape[1]
            yield samples


def _read_seconds(packet: Packet[AudioStream]) -> Fraction:
    return (packet.pts or 0) * (packet.time_base or Fraction(0))
