from __future__ import annotations

import itertools
import shutil
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from reenact.errors import ReenactError
from reenact.media.pictures import write_image
from reenact.media.video import VideoReader, probe_video

from .made_videos import grey, make_video, number_of

NTSC = Fraction(30000, 1001)


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    return make_video(tmp_path_factory.mktemp("video") / "clip.mp4", 40, sound="aac")


def numbers(reader):
    return [number_of(image) for image in reader]


def test_info(video):
    info = probe_video(video)
    assert (info.width, info.height, info.fps, info.num_frames) == (64, 48, NTSC, 40)
    assert info.has_audio
    assert info.duration == pytest.approx(40 * 1001 / 30000, abs=0.01)


def test_every_frame_once(video):
    assert numbers(VideoReader(video)) == [number % 25 for number in range(40)]


def test_frames_by_number_in_the_order_asked(video):
    wanted = [39, 0, 13, 12, 13]
    assert numbers(VideoReader(video).frames(wanted)) == [number % 25 for number in wanted]


def test_frame_outside(video):
    with pytest.raises(ReenactError, match="no frame 40"):
        VideoReader(video).frames([3, 40])


@pytest.mark.parametrize(("rate", "expected"), [(NTSC / 2, 20), (NTSC * 2, 80)])
def test_resampling_keeps_the_duration(video, rate, expected):
    seen = numbers(VideoReader(video, fps=rate))
    assert len(seen) == expected
    steps = {(after - before) % 25 for before, after in itertools.pairwise(seen)}
    assert steps == ({2} if rate < NTSC else {0, 1})


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_rotation_is_applied(tmp_path, rotation):
    path = make_video(tmp_path / "turned.mp4", 3, rotation=rotation)
    info = probe_video(path)
    image = next(iter(VideoReader(path)))
    expected = np.rot90(grey(0), info.rotation // 90)
    assert (info.height, info.width) == image.shape[:2] == expected.shape[:2]
    marked = np.zeros((48, 64), bool)
    marked[:8, :8] = True
    corner = np.rot90(marked, info.rotation // 90)
    assert image[corner].mean() > 200 > image[~corner].mean()
    stored = av.open(str(path))
    assert (next(stored.decode(video=0)).rotation - info.rotation) % 360 == 0


def test_variable_rate_is_resampled_by_time(tmp_path):
    # 10 frames at 50 ms, then 5 at 200 ms: 0.5 s and 1 s
    times = [50 * n for n in range(10)] + [500 + 200 * n for n in range(5)]
    path = make_video(tmp_path / "phone.mp4", 15, Fraction(20), times=times)
    seen = numbers(VideoReader(path, fps=Fraction(20)))
    assert seen[:10] == list(range(10))
    assert seen[10:26] == [number for number in range(10, 14) for _ in range(4)]


def test_shifted_time_stamps_start_at_the_first_picture(tmp_path):
    path = make_video(tmp_path / "late.mkv", 10, Fraction(25), times=[400 + 40 * n for n in range(10)])
    reader = VideoReader(path, fps=Fraction(25))
    assert numbers(reader) == list(range(10))
    assert numbers(reader.frames([7])) == [7]


def bad_files(folder: Path) -> dict[str, Path]:
    good = make_video(folder / "good.mp4", 60, faststart=True)
    files = {name: folder / f"{name}.mp4" for name in ("missing", "empty", "text", "picture", "header", "cut")}
    files["empty"].write_bytes(b"")
    files["text"].write_text("no video\n" * 500)
    write_image(folder / "picture.png", grey(3))
    shutil.move(folder / "picture.png", files["picture"])
    plain = make_video(folder / "plain.mp4", 60).read_bytes()
    files["header"].write_bytes(plain[: len(plain) // 2])
    files["cut"].write_bytes(good.read_bytes()[: int(good.stat().st_size * 0.6)])
    files["sound"] = folder / "sound.mp4"
    with (
        av.open(str(files["sound"]), "w") as container,
        av.open(str(make_video(folder / "s.mp4", sound="aac"))) as source,
    ):
        stream = container.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(source.streams.audio[0]):
            if packet.dts is not None:
                packet.stream = stream
                container.mux(packet)
    return files


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("missing", "is not a file"),
        ("empty", "is empty"),
        ("text", "not a readable video"),
        ("picture", "is not a video"),
        ("header", "is truncated: it has .* bytes"),
        ("cut", "is truncated: it has .* bytes"),
        ("sound", "no video stream"),
    ],
)
def test_bad_files_get_one_sentence(tmp_path, name, says):
    path = bad_files(tmp_path)[name]
    with pytest.raises(ReenactError, match=says) as error:
        list(VideoReader(path))
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
