"""Files that would take memory or time without end, and files with changed bytes."""

import contextlib
import struct
from fractions import Fraction

import av
import pytest
from av.video.frame import VideoFrame
from hypothesis import given, settings
from hypothesis import strategies as st

from reenact.errors import ReenactError
from reenact.media.video import VideoReader

from .coded_videos import KINDS, bar_code, write_coded

MUTATED = ["h264_plain.mp4", "h264_plain_fragments.mp4", "mpeg4_b.avi", "h264_open.mkv", "vp9.webm", "gif.gif",
           "mpeg2video_b.mpg", "qtrle.mov"]  # fmt: skip


def write_large_gif(path):
    path.write_bytes(
        b"GIF89a"
        + struct.pack("<HHBBB", 16000, 16000, 0x80, 0, 0)
        + bytes(6)
        + b"\x2c"
        + struct.pack("<HHHHB", 0, 0, 16000, 16000, 0)
        + b"\x02\x02\x4c\x01\x00\x3b"
    )


def write_large_avi(path):
    """A small AVI whose three headers of size say 16,000 x 16,000."""
    content = bytearray(write_coded(path, KINDS["rawvideo.avi"], 3).read_bytes())
    small, large = struct.pack("<ii", 64, 64), struct.pack("<ii", 16000, 16000)
    bottom_up = struct.pack("<ii", 64, -64)
    assert small in content or bottom_up in content
    path.write_bytes(content.replace(small, large).replace(bottom_up, large))


def write_gap(path, hours=5):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for number, time in enumerate([0, 40, hours * 3_600_000]):
            frame = VideoFrame.from_ndarray(bar_code(number), format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            for packet in stream.encode(frame):
                container.mux(packet)
        container.mux(stream.encode())


@pytest.mark.parametrize(
    ("name", "write", "says"),
    [
        ("large.gif", write_large_gif, "67 megapixels"),
        ("large.avi", write_large_avi, "67 megapixels"),
        ("gap.mkv", write_gap, "one picture for 18,000 s"),
    ],
)
def test_sizes_and_times_are_checked_before_decoding(tmp_path, name, write, says):
    path = tmp_path / name
    write(path)
    with pytest.raises(ReenactError, match=says) as error:
        list(VideoReader(path))
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_cut_off_file_is_truncated_before_it_is_read(data):
    path = data / "videos" / "truncated.mkv"
    with pytest.raises(ReenactError, match=r"is truncated: it has 2,484 of 4,141 bytes; copy or download it again"):
        VideoReader(path)


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "webm", "avi"])
def test_cut_off_files(tmp_path, suffix):
    name = {"webm": "vp9.webm"}.get(suffix, f"mpeg4.{suffix}")
    path = write_coded(tmp_path / name, KINDS[name])
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.6)])
    with pytest.raises(ReenactError, match=r"is truncated|is not a readable video"):
        VideoReader(path)


@pytest.fixture(scope="module")
def contents(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    return {name: write_coded(folder / name, KINDS[name], 14).read_bytes() for name in MUTATED}


@pytest.mark.parametrize("name", MUTATED)
@given(data=st.data())
@settings(max_examples=15)
def test_changed_bytes_give_frames_or_one_sentence(contents, tmp_path_factory, name, data):
    content = bytearray(contents[name])
    path = tmp_path_factory.getbasetemp() / f"mutated_{name}"
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    with contextlib.suppress(ReenactError):
        reader = VideoReader(path)
        shapes = {image.shape for image in reader.part(0, 50)}
        assert shapes <= {(reader.info.height, reader.info.width, 3)}
        reader.frames([min(7, reader.info.num_frames - 1)])
