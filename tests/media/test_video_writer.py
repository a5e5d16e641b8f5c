from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest

from reenact.errors import ReenactError
from reenact.media.video import VideoReader, probe_video
from reenact.media.video_writer import VideoWriter

from .made_videos import grey, make_video, number_of

NTSC = Fraction(30000, 1001)


def audio_seconds(path):
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        return float(
            sum(packet.duration for packet in container.demux(stream) if packet.dts is not None) * stream.time_base
        )


def write(path, frames, fps=NTSC, size=(64, 48), **options):
    with VideoWriter(path, fps, size, **options) as writer:
        for number in range(frames):
            writer.write(grey(number, *size))


@pytest.mark.parametrize(("codec", "suffix"), [("aac", "mp4"), ("pcm_s16le", "mov"), ("libopus", "mkv")])
def test_sound_is_carried_over_and_cut_at_the_last_frame(tmp_path, codec, suffix):
    source = make_video(tmp_path / f"source.{suffix}", 60, sound="aac") if codec == "aac" else None
    if source is None:
        pytest.importorskip("av")
        if codec not in av.codecs_available:
            pytest.skip(f"{codec} is not in this FFmpeg")
        source = make_video_with(tmp_path / f"source.{suffix}", codec)
    write(tmp_path / "out.mp4", 30, audio_from=source)
    info = probe_video(tmp_path / "out.mp4")
    assert (info.fps, info.num_frames) == (NTSC, 30)
    assert info.duration == pytest.approx(30 / NTSC, abs=1e-3)
    assert audio_seconds(tmp_path / "out.mp4") == pytest.approx(30 / float(NTSC), abs=0.05)
    assert audio_seconds(source) > 1.9


def make_video_with(path, codec):
    rate = 48000 if codec == "libopus" else 44100
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=NTSC)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        tone = container.add_stream(codec, rate=rate)
        tone.layout = "stereo"
        for number in range(60):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(grey(number), format="rgb24")))
        container.mux(stream.encode())
        resampler = av.AudioResampler(format=tone.format, layout="stereo", rate=rate)
        samples = (np.sin(np.arange(2 * rate) * 0.05) * 9000).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(np.stack([samples, samples]).T.reshape(1, -1), format="s16", layout="stereo")
        frame.rate, frame.pts = rate, 0
        for piece in resampler.resample(frame):
            container.mux(tone.encode(piece))
        container.mux(tone.encode())
    return path


def test_frames_and_colours_survive(tmp_path):
    colour = np.zeros((48, 64, 3), np.uint8)
    colour[:] = (200, 30, 90)
    with VideoWriter(tmp_path / "out.mp4", NTSC, (64, 48)) as writer:
        for _ in range(5):
            writer.write(colour)
    images = list(VideoReader(tmp_path / "out.mp4"))
    assert len(images) == 5
    assert np.abs(np.array(images).astype(int) - colour).max() <= 3


def test_odd_sizes_are_padded(tmp_path):
    write(tmp_path / "out.mp4", 3, size=(65, 47))
    assert (probe_video(tmp_path / "out.mp4").width, probe_video(tmp_path / "out.mp4").height) == (66, 48)
    assert [number_of(image) for image in VideoReader(tmp_path / "out.mp4")] == [0, 1, 2]


def test_metadata_is_in_the_file(tmp_path):
    write(tmp_path / "out.mp4", 2, metadata={"synthetic": "yes", "comment": "made"})
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert (container.metadata["synthetic"], container.metadata["comment"]) == ("yes", "made")


def test_an_error_leaves_what_was_there(tmp_path):
    path = tmp_path / "out.mp4"
    path.write_bytes(b"before")
    with pytest.raises(RuntimeError, match="stop"), VideoWriter(path, NTSC, (64, 48)) as writer:  # noqa: PT012
        writer.write(grey(0))
        raise RuntimeError("stop")
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_no_frame_writes_nothing(tmp_path):
    with pytest.raises(ReenactError, match="no frame"), VideoWriter(tmp_path / "out.mp4", NTSC, (64, 48)):
        pass
    assert not list(tmp_path.iterdir())


def test_unwritable_path(tmp_path):
    with pytest.raises(ReenactError, match="can't be written"):
        VideoWriter(tmp_path / "nowhere" / "out.mp4", NTSC, (64, 48))
