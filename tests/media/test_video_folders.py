"""Raw folders of videos in every container; files that are no clips are named."""

import pytest

from reenact.data.datamodules.voxceleb import FolderClips
from reenact.data.layouts import find_clips

from .coded_videos import COUNT, KINDS, trim_coded, write_coded


def test_clips_of_every_container_have_their_exact_lengths(tmp_path):
    for name in ("vp9.webm", "h264_plain.mkv", "mpeg2video_b.mpg"):
        write_coded(tmp_path / f"p#{name}", KINDS[name])
    trim_coded(tmp_path / "p#h264_plain.mkv", tmp_path / "p#trim.mp4", 13, KINDS["h264_plain.mkv"].fps)
    (tmp_path / "p#talk.rm").touch()
    with pytest.warns(UserWarning, match=r"left out: 1 of \.rm$"):
        clips = FolderClips(tmp_path, 32, 2)
    assert sorted(clips.index.num_frames.tolist()) == [COUNT - 13, COUNT, COUNT, COUNT]


@pytest.mark.parametrize("name", ["mpeg4.avi", "vp9.webm", "h264_plain.mkv"])
def test_face_crops_of_voxceleb2_may_be_of_any_container(tmp_path, name):
    folder = tmp_path / "dev" / "mp4" / "id00012" / "v"
    folder.mkdir(parents=True)
    path = write_coded(folder / name, KINDS[name], 5)
    (clip,) = find_clips(tmp_path, "voxceleb2")
    assert (clip.path, clip.identity) == (path, "vox2-id00012")
