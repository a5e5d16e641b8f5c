"""A method that reads the face parameters of the frames around goes through every command."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import pytest
import torch
import yaml

from reenact.benchmark import job
from reenact.benchmark.work import Outcome
from reenact.cli import main
from reenact.data.synthetic.clips import SyntheticClips
from reenact.faces.contents import Contents
from reenact.media.video import VideoReader

WORLD = "world -o store --identities 2 --test-identities 2 --clips-per-identity 1 --frames-per-clip 12 --every 5"
FEW = ["--data.num_workers", "0", "--data.num_val_pairs", "2", "--data.num_test_pairs", "2"]
STORE = ["--data", "clips", "--data.root", "store", "--scale", "tiny", *FEW]
CHECKPOINT = "run/checkpoints/last.ckpt"


def test_every_command_takes_the_method(install, clips, known_faces, capsys):
    install("sliding_window")
    assert main([*WORLD.split(), "--size", "32", "--workers", "1"]) == 0
    fit = ["fit", "--model", "sliding_window", *STORE, "--pictures.every_n_steps", "2", "--out", "run"]
    assert main([*fit, "--data.flip", "0.5"]) == 2
    assert "--data.flip 0.5 mirrors pictures" in capsys.readouterr().err
    assert not Path("run").exists()
    assert main(fit) == 0
    assert main(["fit", "--ckpt_path", "last", "--out", "run", "--trainer.max_steps", "6"]) == 0
    checkpoint = torch.load(CHECKPOINT, weights_only=True)
    assert checkpoint["global_step"] == 6
    assert main(["test", "--ckpt_path", CHECKPOINT, "--out", "scores"]) == 0
    assert main(["export", CHECKPOINT, "--out", "shared"]) == 0
    assert json.loads(Path("shared/config.json").read_text())["reenact"]["method"] == "sliding_window"
    command = ["--checkpoint", "shared", "--source", str(clips / "0.png")]
    assert main(["animate", *command, "--driving", str(clips / "2.mp4"), "-o", "out.mp4"]) == 0
    assert sum(1 for _ in VideoReader(Path("out.mp4"))) == 9
    moving = ["--checkpoint", "shared", "--source", str(clips / "1.mp4")]
    assert main(["animate", *moving, "--driving", str(clips / "2.mp4"), "-o", "moving.mp4"]) == 0
    assert main(["edit", *command, "--sweep", "jaw_open:0:20:5", "-o", "edited.mp4"]) == 0
    assert sum(1 for _ in VideoReader(Path("edited.mp4"))) == 5


@pytest.fixture
def module(install):
    install("sliding_window")
    torch.manual_seed(0)
    return import_module("sliding_window.method").SlidingWindow().eval().requires_grad_(False)


@pytest.fixture(scope="module")
def clip():
    clips = SyntheticClips(0, range(2), 1, 11, 32, Contents(params=True))
    return clips.read(0, range(11), 2)


@pytest.mark.parametrize("batch", [1, 4, 11])
@pytest.mark.parametrize("windows", [True, False])
def test_a_played_video_is_what_the_windows_of_the_data_give(module, clip, batch, windows):
    network = module.network
    state = network.encode(clip[:1])
    expected = network.perform(state, network.read(clip)).image
    motion = clip.window if windows else clip.params
    frames = [(state, motion[start : start + batch]) for start in range(0, 11, batch)]
    played = torch.cat([result.image for result in network.play(frames)])
    torch.testing.assert_close(played, expected)


def test_a_frame_needs_no_frame_beyond_its_window(module, clip):
    network, taken = module.network, []

    def frames():
        for place in range(11):
            taken.append(place)
            yield network.encode(clip[place : place + 1]), clip.params[place : place + 1]

    next(network.play(frames()))
    assert taken == [0, 1, 2]


def test_a_live_frame_is_its_own_neighbour(module, clip):
    network = module.network
    state = network.encode(clip[:1])
    alone = network.perform(state, clip.params[5:6]).image
    window = clip.params[[5] * 5].map(lambda value: value[None])
    torch.testing.assert_close(alone, network.perform(state, window).image)


TABLE = {
    "id": "windows", "title": "Windows", "paper": "", "data": {"train": "synthetic", "test": "synthetic"},
    "scale": "tiny", "protocol": {},
    "overrides": {
        "data.num_workers": 0, "data.num_test_pairs": 2, "data.num_val_pairs": 2, "data.identities": 3,
        "model.optimisation.milestones": [2],
    },
    "columns": [{"id": "self.psnr", "metric": "psnr", "loader": "self", "direction": "up", "decimals": 2}],
    "rows": [{"id": "ours", "method": "Ours", "kind": "own", "model": "sliding_window"}],
}  # fmt: skip


def test_a_table_has_a_row_of_it(install, monkeypatch):
    install("sliding_window")

    def run_here(words: Sequence[str], *_: object) -> Outcome:
        return Outcome(main([*words]) == 0, "")

    monkeypatch.setattr(job, "run_command", run_here)
    Path("windows.yaml").write_text(yaml.safe_dump(TABLE))
    assert main(["benchmark", "windows.yaml"]) == 0
    assert "sliding_window" in Path("runs/benchmark/windows/table.csv").read_text().splitlines()[1]
