"""A method that works on all frames of a video at once goes through every command."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import numpy as np
import torch
import yaml

from reenact.apps import work_folder
from reenact.apps.output import FrameBar
from reenact.benchmark import job
from reenact.benchmark.work import Outcome
from reenact.cli import main
from reenact.faces.params import FaceParams
from reenact.faces.portrait import Portrait
from reenact.media.video import VideoReader

FEW = ["--data.num_workers", "0", "--data.num_val_pairs", "2", "--data.num_test_pairs", "2", "--data.identities", "3"]
CHECKPOINT = "run/checkpoints/last.ckpt"


def test_every_command_takes_the_method(install, clips, known_faces, monkeypatch, capsys):
    install("joint_clips")
    assert main(["fit", "--model", "joint_clips", *FEW, "--pictures.every_n_steps", "2", "--out", "run"]) == 0
    assert main(["fit", "--ckpt_path", "last", "--out", "run", "--trainer.max_steps", "6"]) == 0
    assert torch.load(CHECKPOINT, weights_only=True)["global_step"] == 6
    assert main(["test", "--ckpt_path", CHECKPOINT, *FEW, "--out", "scores"]) == 0
    assert main(["export", CHECKPOINT, "--out", "shared"]) == 0
    assert json.loads(Path("shared/config.json").read_text())["reenact"]["method"] == "joint_clips"
    reported, files = [], []
    monkeypatch.setattr(FrameBar, "report", lambda self, fraction: reported.append(fraction))
    monkeypatch.setattr(work_folder.shutil, "rmtree", lambda folder, **_: files.extend(sorted(folder.rglob("*.pt"))))
    command = ["--checkpoint", "shared", "--source", str(clips / "0.png")]
    assert main(["animate", *command, "--driving", str(clips / "2.mp4"), "-o", "out.mp4"]) == 0
    assert sum(1 for _ in VideoReader(Path("out.mp4"))) == 9
    assert reported[:4] == [1 / 3, 2 / 3, 1.0, 1 / 9]
    assert [file.name for file in files] == ["0.pt", "1.pt", "2.pt"]
    assert str(files[0]).startswith("out.mp4.")
    assert torch.load(files[0]).shape == (1, 9, 3)  # all frames together
    files.clear()
    changes = ["--set", "network.sampling.steps=2", "--show", "change", "--precision", "bf16", "--overwrite"]
    changes += ["--set", "network.sampling.steps=1"]  # the last one holds
    assert main(["animate", *command, "--driving", str(clips / "2.mp4"), "-o", "out.mp4", *changes]) == 0
    assert [file.name for file in files] == ["0.pt"]
    assert torch.load(files[0]).dtype == torch.bfloat16
    files.clear()
    settings = ["--set", "network.sampling.steps=2"]
    assert main(["edit", *command, "--sweep", "jaw_open:0:20:5", *settings, "-o", "edited.mp4"]) == 0
    assert sum(1 for _ in VideoReader(Path("edited.mp4"))) == 5
    assert [file.name for file in files] == ["0.pt", "1.pt"]
    assert torch.load(files[0]).shape == (1, 5, 3)
    command[3] = str(clips / "1.mp4")
    assert main(["animate", *command, "--driving", str(clips / "2.mp4"), "-o", "moving.mp4"]) == 2
    assert "is a video, and joint_clips animates pictures alone" in capsys.readouterr().err
    assert not Path("moving.mp4").exists()


def test_the_first_frame_of_a_video_depends_on_its_last(install):
    install("joint_clips")
    network = import_module("joint_clips.method").JointClips().eval().requires_grad_(False).network
    motion = FaceParams.cat([network.face_model.neutral(1)] * 9)
    state = network.encode(Portrait(torch.zeros(1, 3, 32, 32), motion[:1]))

    def play(motion: FaceParams) -> torch.Tensor:
        batches = [(state, motion[start : start + 4]) for start in range(0, 9, 4)]
        return torch.cat([result.image for result in network.play(batches)])

    still = play(motion)
    motion.jaw_pose[-1] = 0.5
    changed = (play(motion) - still).abs().amax((1, 2, 3)) > 0
    np.testing.assert_array_equal(changed, [True, True, True, False, False, True, True, True, True])


TABLE = {
    "id": "clips", "title": "Clips", "paper": "", "data": {"train": "synthetic", "test": "synthetic"},
    "scale": "tiny", "protocol": {},
    "overrides": {
        "data.num_workers": 0, "data.num_test_pairs": 2, "data.num_val_pairs": 2, "data.identities": 3,
        "model.optimisation.milestones": [2],
    },
    "columns": [{"id": "self.psnr", "metric": "psnr", "loader": "self", "direction": "up", "decimals": 2}],
    "rows": [{"id": "ours", "method": "Ours", "kind": "own", "model": "joint_clips"}],
}  # fmt: skip


def test_a_table_has_a_row_of_it(install, monkeypatch):
    install("joint_clips")
    commands = []

    def run_here(words: Sequence[str], *_: object) -> Outcome:
        commands.append(words[0])
        return Outcome(main([*words]) == 0, "")

    monkeypatch.setattr(job, "run_command", run_here)
    Path("clips.yaml").write_text(yaml.safe_dump(TABLE))
    assert main(["benchmark", "clips.yaml"]) == 0
    assert commands == ["fit", "test"]
    row = Path("runs/benchmark/clips/table.csv").read_text().splitlines()[1]
    assert "joint_clips" in row
