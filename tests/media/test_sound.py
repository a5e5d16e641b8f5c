"""Sound of every kind, carried into an mp4 file: the same beep at the same time, in a layout that AAC takes."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.video.frame import VideoFrame

from reenact.errors import ReenactError
from reenact.media.sound import check_sound
from reenact.media.video_writer import VideoWriter

from .made_videos import grey

FPS = Fraction(25)
BEEPS = (0.2, 0.6)
"""Seconds at which a beep of 0.1 s begins."""

KINDS = [
    # container, codec of the sound, Hz, layout, codec of the result, its Hz, its channels
    ("avi", "pcm_s16le", 8000, "mono", "aac", 8000, 1),
    ("avi", "pcm_u8", 11025, "stereo", "aac", 11025, 2),
    ("avi", "adpcm_ms", 22050, "mono", "aac", 22050, 1),
    ("avi", "adpcm_ima_wav", 44100, "stereo", "aac", 44100, 2),
    ("avi", "mp3", 44100, "stereo", "mp3", 44100, 2),
    ("avi", "mp2", 32000, "mono", "aac", 32000, 1),
    ("matroska", "pcm_s16le", 48000, "mono", "aac", 48000, 1),
    ("matroska", "pcm_s16le", 48000, "3.0", "aac", 48000, 2),
    ("matroska", "pcm_s16le", 48000, "7.1", "aac", 48000, 2),
    ("matroska", "pcm_s32le", 192000, "stereo", "aac", 48000, 2),
    ("matroska", "pcm_f32le", 6000, "mono", "aac", 48000, 1),
    ("matroska", "flac", 96000, "5.1", "aac", 48000, 2),
    ("matroska", "mp3", 44100, "mono", "mp3", 44100, 1),
    ("matroska", "libmp3lame", 8000, "mono", "aac", 8000, 1),
    ("matroska", "ac3", 48000, "5.1(side)", "ac3", 48000, 6),
    ("asf", "wmav2", 44100, "stereo", "aac", 44100, 2),
    ("mov", "pcm_mulaw", 8000, "mono", "aac", 8000, 1),
    ("mov", "alac", 44100, "stereo", "alac", 44100, 2),
    ("mpegts", "aac", 44100, "stereo", "aac", 44100, 2),
    ("vob", "ac3", 48000, "stereo", "ac3", 48000, 2),
    ("vob", "mp2", 44100, "stereo", "aac", 44100, 2),
    ("webm", "libopus", 48000, "stereo", "aac", 48000, 2),
    ("webm", "vorbis", 44100, "stereo", "aac", 44100, 2),
]


def beeps(rate: int, seconds: float = 1.0) -> np.ndarray:
    time = np.arange(round(rate * seconds)) / rate
    loud = sum((time >= start) & (time < start + 0.1) for start in BEEPS)
    return 0.5 * np.sin(2 * np.pi * 1000 * time) * loud


def write_source(path: Path, container: str, codec: str, rate: int, layout: str) -> Path:
    """A second of grey pictures with beeps in all channels."""
    pictures = {"vob": "mpeg2video", "mpegts": "mpeg2video", "webm": "libvpx"}.get(container, "mpeg4")
    with av.open(str(path), "w", format=container) as file:
        stream = file.add_stream(pictures, rate=FPS)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        tone = file.add_stream(codec, rate=rate, layout=layout, options={"strict": "experimental", "b": "128k"})
        resampler = AudioResampler(format=tone.format, layout=layout, rate=rate)
        wave = np.repeat(beeps(rate).astype(np.float32), tone.layout.nb_channels)
        frame = AudioFrame.from_ndarray(wave[None], format="flt", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        packets = [
            packet
            for number in range(25)
            for packet in stream.encode(VideoFrame.from_ndarray(grey(number), format="rgb24"))
        ]
        packets += stream.encode(None)
        packets += [packet for piece in resampler.resample(frame) for packet in tone.encode(piece)]
        packets += tone.encode(None)
        file.mux(sorted(packets, key=lambda packet: packet.dts * packet.time_base))
    return path


def carry(source: Path, out: Path, frames: int = 25) -> Path:
    check_sound(source)
    with VideoWriter(out, FPS, (64, 48), audio_from=source) as writer:
        for number in range(frames):
            writer.write(grey(number))
    return out


def onsets(path: Path) -> list[float]:
    """Seconds at which sound begins after silence, by the time stamps of the decoded frames."""
    starts: list[float] = []
    last_loud = -1.0
    with av.open(str(path)) as file:
        for frame in file.decode(audio=0):
            resampled = AudioResampler(format="flt", layout="mono", rate=frame.sample_rate).resample(frame)
            wave = np.abs(np.concatenate([piece.to_ndarray().ravel() for piece in resampled]))
            for index in np.flatnonzero(wave > 0.1):
                time = frame.time + index / frame.sample_rate
                if time - last_loud > 0.05:
                    starts.append(round(time, 2))
                last_loud = time
    return starts


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: "-".join(map(str, kind[:4])))
def test_every_kind_of_sound_is_carried(tmp_path: Path, kind: tuple) -> None:
    container, codec, rate, layout, *result = kind
    out = carry(write_source(tmp_path / "source", container, codec, rate, layout), tmp_path / "out.mp4")
    with av.open(str(out)) as file:
        stream = file.streams.audio[0]
        context = stream.codec_context
        assert [context.codec.canonical_name, context.sample_rate, context.layout.nb_channels] == result
        assert float(stream.duration * stream.time_base) == pytest.approx(1, abs=0.06)
    assert onsets(out) == pytest.approx(BEEPS, abs=0.04)  # mp3 in avi begins 25 ms late


@pytest.mark.parametrize(
    ("name", "times"), [("webcam_pcm.avi", None), ("pcm.mkv", None), ("opus_hole.webm", [0.32, 0.90, 2.02, 2.69, 3.27])]
)
def test_sound_of_the_faults(tmp_path: Path, faults: Path, name: str, times: list[float] | None) -> None:
    source = faults / name
    out = carry(source, tmp_path / "out.mp4", 100 if times else 25)
    assert onsets(out) == pytest.approx(times or onsets(source), abs=0.03)


def write_sound(path: Path, codec: str, pieces: list[tuple[float, float]], title: str = "") -> Path:
    """Tones of the frames that begin at some seconds and last some seconds, at 8,000 Hz, in an mkv file."""
    with av.open(str(path), "w", format="matroska", metadata_encoding="latin-1") as file:
        stream = file.add_stream(codec, rate=8000, layout="mono")
        stream.metadata.update({"title": title} if title else {})
        for start, seconds in pieces:
            wave = 0.5 * np.sin(np.arange(round(8000 * seconds)) * 0.8)
            frame = AudioFrame.from_ndarray((wave * 32767).astype(np.int16)[None], format="s16", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = 8000, round(8000 * start), Fraction(1, 8000)
            file.mux(stream.encode(frame))
    return path


def test_a_hole_of_hours_costs_no_more_than_the_picture_lasts(tmp_path: Path) -> None:
    source = write_sound(tmp_path / "long.mkv", "pcm_s16le", [(0.2, 0.1), (7200, 0.1)])
    out = carry(source, tmp_path / "out.mp4")
    assert onsets(out) == pytest.approx([0.2], abs=0.02)
    with av.open(str(out)) as file:
        assert sum(frame.samples for frame in file.decode(audio=0)) == pytest.approx(8000, abs=2100)


def test_overlaps_are_cut(tmp_path: Path) -> None:
    source = write_sound(tmp_path / "twice.mkv", "pcm_s16le", [(0.0, 0.5), (0.25, 0.5)])
    out = carry(source, tmp_path / "out.mp4")
    with av.open(str(out)) as file:
        samples = np.concatenate([frame.to_ndarray()[0] for frame in file.decode(audio=0)])
    assert np.flatnonzero(np.abs(samples) > 0.1).max() / 8000 == pytest.approx(0.75, abs=0.01)


def test_equal_time_stamps_are_nudged_apart(tmp_path: Path) -> None:
    source = write_source(tmp_path / "whole", "matroska", "mp3", 44100, "mono")
    with av.open(str(source)) as file, av.open(str(tmp_path / "same.mkv"), "w") as other:
        stream = other.add_stream_from_template(file.streams.audio[0])
        for packet in file.demux(audio=0):
            if packet.dts is not None:
                packet.pts = packet.dts = packet.dts // 100 * 100
                packet.stream = stream
                other.mux(packet)
    before, after = (
        stamps(path) for path in (tmp_path / "same.mkv", carry(tmp_path / "same.mkv", tmp_path / "out.mp4"))
    )
    assert len(set(before)) < len(before)
    assert len(set(after)) == len(after) == len(before)


def stamps(path: Path) -> list[int]:
    with av.open(str(path)) as file:
        return [packet.dts for packet in file.demux(audio=0) if packet.dts is not None]


def test_damaged_sound_is_silence(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source", "matroska", "flac", 48000, "mono")
    data = bytearray(source.read_bytes())
    with av.open(str(source)) as file:
        places = [(packet.pos, packet.size) for packet in file.demux(audio=0) if packet.size]
    for place, size in places[:3]:
        data[place + 8 : place + size] = bytes(size - 8)
    source.write_bytes(data)
    assert onsets(carry(source, tmp_path / "out.mp4"))[-1] == pytest.approx(BEEPS[1], abs=0.03)


def test_tags_of_the_sound_in_latin_1(tmp_path: Path) -> None:
    source = write_sound(tmp_path / "old.mkv", "pcm_s16le", [(0.0, 1.0)], title="Café à Zürich")
    assert onsets(carry(source, tmp_path / "out.mp4")) == pytest.approx([0.0], abs=0.01)


def test_sound_that_no_decoder_reads_is_refused_before_any_work(tmp_path: Path) -> None:
    source = write_sound(tmp_path / "other.mkv", "pcm_s16le", [(0.0, 1.0)])
    source.write_bytes(source.read_bytes().replace(b"A_PCM/INT/LIT", b"A_NO/CODEC/IS"))
    with pytest.raises(ReenactError, match=r"the sound of .*other\.mkv .* pass --audio none"):
        check_sound(source)


def test_silent_files_have_nothing_to_check(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "silent.mp4", FPS, (64, 48)) as writer:
        writer.write(grey(0))
    check_sound(tmp_path / "silent.mp4")
