from pathlib import Path

import pytest
import torch

from reenact.data.synthetic.clips import SyntheticClips
from reenact.data.synthetic.write import write_synthetic
from reenact.errors import ReenactError
from reenact.media.video import VideoReader


def test_reads_portraits_in_any_order():
    clips = SyntheticClips(0, range(4, 7), clips_per_identity=2, frames_per_clip=30, size=64)
    assert clips.index.identities.tolist() == [0, 0, 1, 1, 2, 2]
    assert clips.index.num_frames.tolist() == [30] * 6
    portrait = clips.read(3, [7, 2])
    assert portrait.image.shape == (2, 3, 64, 64)
    assert portrait.image.dtype == torch.float32
    assert -1 <= portrait.image.min() < portrait.image.max() <= 1
    assert portrait.landmarks.shape == (2, 68, 2)
    assert portrait.params.light.shape == (2, 9, 3)
    assert portrait.identity == ["person00005"] * 2
    assert portrait.clip == ["person00005#001"] * 2
    assert portrait.frame.tolist() == [7, 2]
    assert torch.equal(clips.read(3, [2]).image[0], portrait.image[1])


def test_ranges_share_no_person():
    train = SyntheticClips(0, range(0, 3), 1, 10, 64)
    held_out = SyntheticClips(0, range(3, 6), 1, 10, 64)
    names = [{clips.read(i, [0]).identity[0] for i in range(3)} for clips in (train, held_out)]
    assert not names[0] & names[1]


def test_writes_voxceleb_layout(tmp_path: Path):
    write_synthetic(tmp_path / "world", 1, 1, 1, 4, size=64)
    files = sorted(str(path.relative_to(tmp_path / "world")) for path in (tmp_path / "world").rglob("*.mp4"))
    assert files == ["test/person00001#000#000000#000004.mp4", "train/person00000#000#000000#000004.mp4"]
    video = VideoReader(tmp_path / "world" / files[1])
    assert video.fps == 25
    assert len(list(video)) == 4


def test_refuses_odd_sizes(tmp_path: Path):
    with pytest.raises(ReenactError, match="--size 63"):
        write_synthetic(tmp_path, size=63)
