"""Indices of videos on disk: read in place of the packets, built anew where they are old or damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from data.made_faces import walk, write_clip

from reenact.data.datamodules.voxceleb import FolderClips
from reenact.media import video
from reenact.media.index_files import index_path, load_index
from reenact.media.video import VideoReader, probe_video


@pytest.fixture
def clip(tmp_path, monkeypatch):
    monkeypatch.setenv("REENACT_HOME", str(tmp_path / "home"))
    (tmp_path / "raw").mkdir()
    return write_clip(tmp_path / "raw" / "a#1.mp4", walk(8))


def forget():
    """Empty the caches of this process, as another process has them."""
    for cache in (video._cache, video._cache_on_disk):
        cache._facts.clear()


def test_another_process_reads_the_index_and_no_packets(clip, monkeypatch):
    first = probe_video(clip, on_disk=True)
    frames = VideoReader(clip).frames([0, 5, 7])
    forget()
    monkeypatch.setattr(video, "read_packets", None)
    assert probe_video(clip, on_disk=True) == first
    assert np.array_equal(VideoReader(clip, on_disk=True).frames([0, 5, 7]), frames)
    assert not [path for path in index_path(clip).parent.iterdir() if path != index_path(clip)]


def test_raw_folders_have_indices_and_single_videos_none(clip):
    probe_video(clip)
    assert not index_path(clip).exists()
    FolderClips(clip.parent, 32, 2).read(0, [0, 1])
    assert load_index(clip) is not None


def test_a_video_that_changed_is_read_anew(clip):
    probe_video(clip, on_disk=True)
    write_clip(clip, walk(5))
    assert load_index(clip) is None
    assert probe_video(clip, on_disk=True).num_frames == 5
    forget()
    assert probe_video(clip, on_disk=True).num_frames == 5


@pytest.mark.parametrize("change", ["cut", "empty", "text", "number", "type", "fact"])
def test_a_damaged_index_is_built_anew(clip, change):
    info = probe_video(clip, on_disk=True)
    file = index_path(clip)
    data = file.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    damaged = {
        "cut": data[:-3],
        "empty": b"",
        "text": b"\xff" * 64,
        "number": data[:start] + b"\x7f" * (len(data) - start),
        "type": data.replace(b'"I32"', b'"F32"', 1),
        "fact": data.replace(b'\\"width\\": 200', b'\\"width\\": -20'),
    }[change]
    assert damaged != data
    file.write_bytes(damaged)
    forget()
    assert probe_video(clip, on_disk=True) == info
    assert file.read_bytes() == data


def test_a_folder_that_takes_no_index_is_no_fault(clip, tmp_path):
    (tmp_path / "home").write_bytes(b"")
    assert probe_video(clip, on_disk=True).num_frames == 8
    assert list(clip.parent.iterdir()) == [clip]


def test_what_tests_keep_is_not_in_the_cache_of_the_user(cache_folder, tmp_path):
    assert index_path(tmp_path / "a.mp4").is_relative_to(cache_folder)
    assert not cache_folder.is_relative_to(Path.home() / ".cache")
