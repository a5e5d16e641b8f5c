"""Names and tags of media files as other programs write them."""

import os

import av
import pytest
from av.video.frame import VideoFrame

from reenact.apps.provenance import read_mark
from reenact.media.video import VideoReader
from reenact.media.video_writer import VideoWriter

from .made_videos import grey


def write_titled(path):
    with av.open(f"file:{path}", "w", metadata_encoding="latin-1") as container:
        container.metadata["title"] = "Café à Zürich"
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(3):
            container.mux(stream.encode(VideoFrame.from_ndarray(grey(number), format="rgb24")))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize("suffix", ["avi", "mp4", "mkv"])
def test_tags_in_latin_1_are_read_with_replacements(tmp_path, suffix):
    path = write_titled(tmp_path / f"old.{suffix}")
    with pytest.raises(UnicodeDecodeError), av.open(str(path)):
        pass
    assert len(list(VideoReader(path))) == 3
    assert read_mark(path) == {}
    with VideoWriter(tmp_path / "out.mp4", VideoReader(path).fps, (64, 48), audio_from=path) as writer:
        writer.write(grey(0))


@pytest.mark.parametrize("name", [b"12:30.mp4", b"concat:a.mp4", b"\xff\xe9.mp4", b"%03d #?.mp4"])
def test_any_name_is_a_file(tmp_path, name):
    path = tmp_path / os.fsdecode(name)
    write_titled(path)
    assert len(list(VideoReader(path))) == 3
