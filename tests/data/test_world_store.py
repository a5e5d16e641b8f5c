"""`reenact world`: a store of the synthetic world has its exact parameters and masks."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from reenact.cli import main
from reenact.data.datamodules.clips import Clips
from reenact.data.synthetic import write_store
from reenact.data.synthetic.clips import SyntheticClips
from reenact.faces.contents import Contents

WORDS = "world -o store --identities 2 --test-identities 1 --clips-per-identity 1 --frames-per-clip 100 --size 20"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("world"))
        assert main([*WORDS.split(), "--masks", "--workers", "1"]) == 0
        yield patch


@pytest.fixture
def data(place):
    module = Clips("store", size=20, num_workers=0)
    module.serve(Contents(params=True, mask=True, window=2))
    return module


def test_parameters_and_masks_are_those_of_the_world(data):
    assert data.describe() == Contents(params=True, landmarks=True, light=True, mask=True, **_textured(data))
    clips, world = data.test_clips(), SyntheticClips(0, range(2, 3), 1, 100, 20, Contents(mask=True))
    assert clips.index.num_frames.tolist() == [100]
    frames = [0, 57, 99]
    stored, drawn = (source.read(int(source.index.ids[0]), frames, 2) for source in (clips, world))
    assert stored.clip == drawn.clip
    for name, value in vars(drawn.params).items():
        assert value is None or torch.equal(getattr(stored.params, name), value)
        assert value is None or torch.equal(getattr(stored.window, name), getattr(drawn.window, name))
    assert torch.equal(stored.mask, (drawn.mask > 127) * torch.tensor(255, dtype=torch.uint8))
    assert stored.landmarks is None


def _textured(data):
    return {"texture": "texture" in data._store.info.fields}


def test_smaller_masks_are_averages(data):
    data.size = 10
    clips = data.test_clips()
    mask = clips.read(int(clips.index.ids[0]), [5]).mask
    assert mask.shape == (1, 1, 10, 10)
    assert {0, 255} < set(mask.flatten().tolist())


def test_masks_are_not_read_unless_they_are_needed(data):
    data.serve(Contents(params=True))
    clips = data.test_clips()
    assert clips.read(int(clips.index.ids[0]), [5]).mask is None


def test_clips_already_there_are_not_drawn_again(place, capsys):
    before = {path: path.stat().st_mtime_ns for path in Path("store/clips").rglob("*")}
    assert main([*WORDS.split(), "--masks", "--workers", "1"]) == 0
    assert "3 clips of 3 people, 100 frames each: store" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in Path("store/clips").rglob("*")} == before


def test_another_recipe_in_the_same_folder_is_refused(place, capsys):
    assert main([*WORDS.split(), "--workers", "1"]) == 2
    assert "store is a store with fields" in capsys.readouterr().err
    assert main(["world", "-o", "none", "--size", "8"]) == 2
    assert "--size 8 must be from 16 to 8192" in capsys.readouterr().err


def test_a_file_as_output_is_refused_before_a_frame_is_drawn(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(write_store, "_render_clip", None)
    (tmp_path / "file").touch()
    assert main(["world", "-o", str(tmp_path / "file")]) == 2
    assert "file exists and is not a store; choose another output folder" in capsys.readouterr().err


def test_people_of_the_test_split_are_not_taken_for_training(place, capsys):
    assert main([*WORDS.replace("identities 2", "identities 3", 1).split(), "--masks", "--workers", "1"]) == 2
    assert "store has person00002 in test, not in train; give the --identities" in capsys.readouterr().err
