"""Frames by number are those in order, which are FFmpeg's own, for every container and codec that it writes."""

from fractions import Fraction

import av
import numpy as np
import pytest

from reenact.media.media_files import open_media
from reenact.media.video import VideoReader
from reenact.media.video_packets import decode_packet

from .coded_videos import COUNT, KINDS, behead_coded, hide_coded, number_in, trim_coded, write_coded

NUMBERS = [0, 1, 10, 11, 12, 13, 22, 25, 38]
"""Frames around and between key frames."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("coded")


def frames_by_ffmpeg(path):
    """Time in seconds after the first, and number, of every frame of FFmpeg's decoding of a whole file."""
    with open_media(path) as container:
        frames = [
            (frame.time or 0.0, number_in(frame.to_ndarray(format="rgb24"))) for frame in container.decode(video=0)
        ]
    return [(time - frames[0][0], number) for time, number in frames]


def shown_at(frames, fps, count):
    """The numbers on display in the middle of each frame of a constant rate."""
    return [[number for time, number in frames if time <= (k + 0.5) / float(fps) + 1e-9][-1] for k in range(count)]


@pytest.mark.parametrize("name", KINDS)
def test_frames_by_number_are_ffmpegs_own_in_order(folder, name):
    kind, path = KINDS[name], folder / name
    if kind.start:
        trim_coded(write_coded(folder / f"whole_{name}", kind), path, kind.start, kind.fps)
    else:
        write_coded(path, kind)
    reader = VideoReader(path)
    images = list(reader)
    numbers = [number_in(image) for image in images]
    frames = frames_by_ffmpeg(path)
    if kind.times:
        assert numbers == shown_at(frames, reader.fps, len(images))
    else:
        assert numbers == [number for _, number in frames] == list(range(kind.start, COUNT))
        assert reader.fps == kind.fps
    assert reader.info.num_frames == len(images)
    for number in [number for number in NUMBERS if number < len(images)]:
        assert np.array_equal(reader.frames([number])[0], images[number]), number
    assert np.array_equal(list(reader.part(9, 14)), images[9:14])


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("h264.mp4", range(64)),
        ("fragmented.mp4", range(64)),
        ("hevc_open.mp4", range(64)),
        ("mpeg2_bf.mpg", range(64)),
        ("h264_bf.avi", range(64)),
        ("trim_hevc.mp4", range(8, 64)),
        ("trim.mp4", range(8, 64)),
    ],
)
def test_files_that_were_read_wrong(data, name, numbers):
    reader = VideoReader(data / "videos" / name)
    images = list(reader)
    assert [number_in(image) for image in images] == list(numbers)
    assert reader.info.num_frames == len(numbers)
    assert all(np.array_equal(reader.frames([k])[0], image) for k, image in enumerate(images))


@pytest.mark.parametrize("name", ["hevc.mp4", "h264_open.mp4", "mpeg2video_b.ts", "mpeg4_b.mp4"])
def test_leading_pictures_of_a_cut_file_are_not_counted(folder, name):
    path = behead_coded(write_coded(folder / f"long_{name}", KINDS[name]), folder / f"cut_{name}")
    reader = VideoReader(path)
    images = list(reader)
    frames = [number for _, number in frames_by_ffmpeg(path)]
    assert [number_in(image) for image in images] == frames
    assert 11 <= frames[0] <= 13
    assert reader.info.num_frames == len(frames)
    assert all(np.array_equal(reader.frames([k])[0], image) for k, image in enumerate(images[:8]))


def test_references_that_are_not_shown_are_not_counted(folder):
    path = hide_coded(write_coded(folder / "shown.webm", KINDS["vp8.webm"]), folder / "hidden.webm", 6)
    reader = VideoReader(path)
    numbers = [number for number in range(COUNT) if number != 6]
    assert [number for _, number in frames_by_ffmpeg(path)] == numbers
    assert [number_in(image) for image in reader] == numbers
    assert [number_in(reader.frames([k])[0]) for k in (5, 6, 20)] == [5, 7, 21]


def test_no_more_is_decoded_than_from_two_key_frames_before(folder, monkeypatch):
    path = write_coded(folder / "long.mp4", KINDS["h264_plain.mp4"], 240)
    reader = VideoReader(path)
    decoded = []
    monkeypatch.setattr(
        "reenact.media.video_decode.decode_packet",
        lambda stream, number, packet, decode=decode_packet: (decoded.append(number), decode(stream, number, packet))[
            1
        ],
    )
    reader.frames([200])
    assert len(decoded) < 2 * 12 + 12


def test_packets_are_read_once_for_as_long_as_the_file_stays_the_same(folder, monkeypatch):
    path = write_coded(folder / "cached.mp4", KINDS["mpeg4.mp4"], 10)
    assert VideoReader(path).info.num_frames == 10
    with monkeypatch.context() as patch:
        patch.setattr("reenact.media.video.read_packets", None)
        assert [number_in(image) for image in VideoReader(path).frames([7])] == [7]
    write_coded(path, KINDS["mpeg4.mp4"], 12)
    assert VideoReader(path).info.num_frames == 12


def test_headers_of_rate_are_not_believed(folder):
    # The header says 100 frames a second, the stamps 20.
    path = folder / "wrong_rate.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=100)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for number in range(10):
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 20 * number, np.uint8), format="rgb24")
            frame.pts, frame.time_base = 5 * number, Fraction(1, 100)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    info = VideoReader(path).info
    assert (info.fps, info.num_frames, info.duration) == (20, 10, 0.5)
