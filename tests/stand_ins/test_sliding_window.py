"""A method that reads the face parameters of the frames around goes through every command."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from apps.conftest import known_clip
from pytorch_lightning import Trainer

from reenact.apps.animate import animate
from reenact.apps.animator import Animator
from reenact.apps.edit import edit
from reenact.apps.performance import read_portrait
from reenact.apps.smoothing import MOTION_FIELDS, OneEuro
from reenact.benchmark import job
from reenact.benchmark.work import Outcome
from reenact.cli import main
from reenact.data.synthetic.clips import SyntheticClips
from reenact.faces.contents import Contents
from reenact.faces.params import FaceParams
from reenact.media.video import VideoReader
from reenact.models.common.retarget import retarget

WORLD = "world -o store --identities 2 --test-identities 2 --clips-per-identity 1 --frames-per-clip 12 --every 5"
FEW = ["--data.num_workers", "0", "--data.num_val_pairs", "2", "--data.num_test_pairs", "2"]
STORE = ["--data", "clips", "--data.root", "store", "--scale", "tiny", *FEW]
SIDE = 2
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
def test_a_played_video_is_what_the_windows_of_the_data_give(module, clip, batch):
    network = module.network
    state = network.encode(clip[:1])
    expected = network.drive(state, clip).image
    frames = [(state, clip.params[start : start + batch]) for start in range(0, 11, batch)]
    played = torch.cat([result.image for result in network.play(frames)])
    torch.testing.assert_close(played, expected)
    played = torch.cat([result.image for result in module.play(clip[:1], [clip[:4], clip[4:]])])
    torch.testing.assert_close(played, expected)


def test_a_moving_source_stays_with_its_frame(module, clip):
    network = module.network
    expected = network.drive(network.encode(clip), clip).image
    pieces = [clip[start : start + 3] for start in range(0, 11, 3)]
    played = network.play((network.encode(piece), piece.params) for piece in pieces)
    torch.testing.assert_close(torch.cat([result.image for result in played]), expected)


def test_a_frame_needs_no_frame_beyond_its_window(module, clip):
    network, taken = module.network, []

    def frames():
        for place in range(11):
            taken.append(place)
            yield network.encode(clip[place : place + 1]), clip.params[place : place + 1]

    next(network.play(frames()))
    assert taken == [0, 1, 2]


def test_a_portrait_without_a_window_is_its_own_neighbour(module, clip):
    network = module.network
    alone = network(clip[:1], replace(clip[5:6], window=None)).image
    window = clip.params[[5] * 5].map(lambda value: value[None])
    torch.testing.assert_close(alone, network.perform(network.encode(clip[:1]), window).image)


@pytest.fixture
def animator(module, tmp_path, monkeypatch):
    """The method as applications use it, and the windows and motions that it gets."""
    module.image_size = 64
    trainer = Trainer(logger=False, enable_checkpointing=False, accelerator="cpu")
    trainer.strategy.connect(module)
    trainer.save_checkpoint(tmp_path / "windows.ckpt")
    animator = Animator(tmp_path / "windows.ckpt", device="cpu")
    windows, motions, portraits, network = [], [], [], type(animator.network)
    perform, retarget, encode = network.perform, network.retarget, network.encode

    def perform_noted(self, state, motion, random=None):
        windows.append(motion)
        return perform(self, state, motion, random)

    def retarget_noted(self, *arguments):
        motions.append(retarget(self, *arguments))
        return motions[-1]

    def encode_noted(self, source):
        portraits.append(source)
        return encode(self, source)

    monkeypatch.setattr(network, "perform", perform_noted)
    monkeypatch.setattr(network, "retarget", retarget_noted)
    monkeypatch.setattr(network, "encode", encode_noted)
    return SimpleNamespace(animator=animator, windows=windows, motions=motions, portraits=portraits)


def cut_windows(motion, window=2):
    """(N, 2 window + 1) of the motions of N frames."""
    count = len(motion.camera)
    places = [[min(max(row + step, 0), count - 1) for step in range(-window, window + 1)] for row in range(count)]
    return motion[torch.tensor(places)]


def assert_same(first, second):
    for name in MOTION_FIELDS:
        torch.testing.assert_close(getattr(first, name), getattr(second, name), msg=name)


@pytest.mark.parametrize("source", ["0.png", "1.mp4"])
@pytest.mark.parametrize("motion", ["relative", "absolute"])
def test_animate_slides_windows_over_smoothed_and_retargeted_motion(
    animator, clips, known_faces, world, tmp_path, source, motion
):
    options = {"motion": motion, "smoothing": "one_euro", "batch_size": 4, "device": "cpu", "reference_frame": "first"}
    animate(tmp_path / "windows.ckpt", clips / source, clips / "2.mp4", tmp_path / "out.mp4", **options)
    driving = OneEuro()(known_clip(world, clips / "2.mp4").params)
    retargeted = FaceParams.cat(animator.motions)
    assert_same(FaceParams.cat(animator.windows), cut_windows(retargeted))
    if source == "0.png":
        own = known_clip(world, clips / source).params
        expected = retarget(own, driving, motion, driving[:1])
        if motion == "absolute":  # the driving face is shown at the source's size
            expected = replace(expected, camera=retargeted.camera)
        assert_same(retargeted, expected)
        assert [portrait.window.leading for portrait in animator.portraits] == [(1, 5)]
    else:
        own = OneEuro()(known_clip(world, clips / source).params)
        seen = [portrait.window for portrait in animator.portraits]
        near = {tuple(row.flatten().tolist()) for row in cut_windows(own).jaw_pose}
        assert {tuple(row.flatten().tolist()) for window in seen for row in window.jaw_pose} <= near


def test_live_steps_and_single_pictures_repeat_themselves(animator, clips, world):
    source, driving = (known_clip(world, clips / name) for name in ("0.png", "2.mp4"))
    images = list(driving.images())
    method = animator.animator.prepare(read_portrait(source, 0, animator.animator.network.needs))
    for number in range(3):
        method.step(driving.portraits(np.array([number]), images[number : number + 1]))
        window = animator.windows[-1]
        assert window.leading == (1, 5)
        assert_same(window, animator.motions[-1][[0] * 5].map(lambda value: value[None]))
    method.pose(method.motion)
    assert_same(animator.windows[-1], method.motion[[0] * 5].map(lambda value: value[None]))
    assert animator.portraits[0].window is not None


def test_edits_to_a_video_have_windows_of_the_edited_motion(animator, clips, known_faces, tmp_path):
    Path("script.txt").write_text("jaw_open 20\nframes 7\n")
    edit(tmp_path / "windows.ckpt", clips / "0.png", tmp_path / "out.mp4", script="script.txt", device="cpu")
    windows = FaceParams.cat(animator.windows)
    assert windows.leading == (7, 5)
    opening = windows.jaw_pose[:, SIDE, 0]
    assert (opening.diff() > 0).all()
    assert_same(windows, cut_windows(windows[:, SIDE]))


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
