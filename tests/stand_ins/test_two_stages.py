"""A method whose second stage starts from the weights of its first goes through every command."""

from __future__ import annotations

import contextlib
import io
import json
import re
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import IO, Any

import pytest
import torch
import yaml

from reenact.benchmark import job
from reenact.benchmark.work import REFUSAL, Outcome
from reenact.callbacks.checkpoint import Checkpoints
from reenact.cli import foundations, main
from reenact.errors import ReenactError
from reenact.media.video import VideoReader
from reenact.models.common.checkpoint import load_method, load_weights
from reenact.models.common.portrait_module import PortraitModule

FEW = ["--data.num_workers", "0", "--data.num_val_pairs", "2", "--data.num_test_pairs", "2", "--data.identities", "3"]
FIT = ["fit", "--model", "two_stages", *FEW, "--pictures.every_n_steps", "0"]
RUNS = Path("runs/two_stages_image")
TEMPORAL = {"network.temporal.weight", "network.temporal.bias"}


@pytest.fixture
def started(install, monkeypatch) -> list[list[str]]:
    """Install the method; the processes that commands start run in this one, and are listed."""
    install("two_stages")
    commands: list[list[str]] = []

    def run(words: Sequence[str], log: Path, lock: IO[bytes] | None = None) -> Outcome:
        commands.append([*words])
        errors = io.StringIO()
        with contextlib.redirect_stderr(errors):
            code = main([*words])
        if code == 130:
            raise KeyboardInterrupt
        return Outcome(code == 0, errors.getvalue().strip().removeprefix(REFUSAL) if code else "")

    monkeypatch.setattr(foundations, "run_command", run)
    monkeypatch.setattr(job, "run_command", run)
    return commands


def weights(path: str | Path) -> dict[str, torch.Tensor]:
    return torch.load(path, weights_only=True)["state_dict"]


def test_fit_trains_the_foundation_once_and_starts_from_it(started, capsys):
    assert main([*FIT, "--out", "run"]) == 0
    (command,) = started
    assert command[:7] == ["fit", "--model", "two_stages_image", "--data", "synthetic", "--scale", "tiny"]
    (folder,) = (path for path in RUNS.iterdir() if path.is_dir())
    lines = capsys.readouterr().out.splitlines()
    assert f"two_stages stands on two_stages_image: it is trained first, in {folder}" in lines
    assert re.search(r"network: 0\.00 M parameters trained of 0\.00 M, 32-true", "\n".join(lines))
    first, second = weights(folder / "checkpoints/last.ckpt"), weights("run/checkpoints/last.ckpt")
    assert second.keys() - first.keys() == TEMPORAL
    assert all(torch.equal(first[name], second[name]) for name in first)  # frozen in the second stage
    assert second["network.temporal.weight"].abs().min() > 0.01
    assert main(["fit", "--ckpt_path", "last", "--out", "run", "--trainer.max_steps", "6"]) == 0
    assert torch.load("run/checkpoints/last.ckpt", weights_only=True)["global_step"] == 6
    capsys.readouterr()
    # All but the settings of the model is the foundation's too.
    assert main([*FIT, "--model.optimisation.lr", "0.2", "--out", "again"]) == 0
    assert len(started) == 1
    last = folder / "checkpoints/last.ckpt"
    assert f"two_stages stands on two_stages_image: its last checkpoint is {last}" in capsys.readouterr().out
    assert not list(RUNS.glob("*.txt"))


def test_an_interrupted_foundation_goes_on(started, capsys, monkeypatch):
    saved = []

    def interrupt(self, trainer, *_):
        saved.append(trainer.global_step)
        if len(saved) == 2:
            self._signals.asked = True

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "on_before_optimizer_step", interrupt)
        assert main([*FIT, "--out", "run"]) == 130
    (folder,) = (path for path in RUNS.iterdir() if path.is_dir())
    assert torch.load(folder / "checkpoints/last.ckpt", weights_only=True)["global_step"] == 2
    assert not Path("run").exists()
    capsys.readouterr()
    assert main([*FIT, "--out", "run"]) == 0
    assert f"stands on two_stages_image: its training goes on in {folder}" in capsys.readouterr().out
    assert started[1][started[1].index("--ckpt_path") + 1] == str(folder / "checkpoints/last.ckpt")
    assert torch.load(folder / "checkpoints/last.ckpt", weights_only=True)["global_step"] == 4


REFUSED = {
    "an option": (["--data.numworkers", "0"], "did you mean"),
    "the model's": (["--model.optimisation.rate", "0"], "rate"),
    "a file": (["--config", "both.yaml"], "both.yaml has settings of the model and others"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_command_line_is_refused_before_the_foundation_is_trained(case, started, capsys):
    words, sentence = REFUSED[case]
    Path("both.yaml").write_text("model: {init_args: {optimisation: {lr: 0.2}}}\ntrainer: {max_steps: 1}\n")
    assert main([*FIT, *words]) == 2
    captured = capsys.readouterr()
    assert sentence in captured.err
    assert len(captured.err.splitlines()) == 1
    assert "stands on" not in captured.out
    assert not started
    assert not Path("runs").exists()


def test_a_foundation_that_fails_gives_its_sentence(started, capsys, monkeypatch):
    monkeypatch.setattr(foundations, "run_command", lambda *_: Outcome(False, "The loss is nan"))
    assert main([*FIT, "--out", "run"]) == 2
    assert "the foundation two_stages_image can't be trained: The loss is nan" in capsys.readouterr().err
    assert not Path("run").exists()


@pytest.fixture
def first_stage(started) -> dict[str, Any]:
    """The content of a checkpoint of the first stage."""
    checkpoint = {"state_dict": build_stage("image").state_dict()}
    build_stage("image").on_save_checkpoint(checkpoint)
    return checkpoint


def build_stage(stage: str) -> PortraitModule:
    file = import_module("two_stages.method")
    return file.TwoStages(config=file.Config(stage=stage))


def test_weights_that_may_start_fresh_are_missing_together_or_not_at_all(first_stage):
    torch.save(first_stage, "first.ckpt")
    module = build_stage("time")
    load_weights(Path("first.ckpt"), module, any_class=True)
    for name, value in first_stage["state_dict"].items():
        assert torch.equal(module.state_dict()[name], value)
    with pytest.raises(ReenactError, match=r"differ in network\.temporal\.bias and 1 more"):
        load_weights(Path("first.ckpt"), module)  # to test, every weight must be there
    first_stage["state_dict"]["network.temporal.bias"] = torch.zeros(3)
    torch.save(first_stage, "half.ckpt")
    with pytest.raises(ReenactError, match=r"differ in network\.temporal\.weight and 0 more"):
        load_weights(Path("half.ckpt"), module, any_class=True)


def test_the_other_commands_take_either_stage(started, clips, known_faces):
    assert main([*FIT, "--out", "run"]) == 0
    (folder,) = (path for path in RUNS.iterdir() if path.is_dir())
    for name, checkpoint in (("first", f"{folder}/checkpoints/last.ckpt"), ("second", "run/checkpoints/last.ckpt")):
        assert main(["test", "--ckpt_path", checkpoint, "--out", f"{name}-test"]) == 0
        pair = ["--source", str(clips / "0.png")]
        drive = ["--driving", str(clips / "2.mp4")]
        assert main(["animate", "--checkpoint", checkpoint, *pair, *drive, "-o", f"{name}.mp4"]) == 0
        assert sum(1 for _ in VideoReader(Path(f"{name}.mp4"))) == 9
        assert main(["edit", "--checkpoint", checkpoint, *pair, "--yaw", "10", "-o", f"{name}.png"]) == 0
        assert main(["export", checkpoint, "--out", f"{name}-shared"]) == 0
        stage = json.loads(Path(f"{name}-shared/config.json").read_text())["reenact"]["arguments"]["config"]["stage"]
        assert stage == {"first": "image", "second": "time"}[name]
        names = load_method(f"{name}-shared").network.state_dict().keys()
        assert names == load_method(checkpoint).network.state_dict().keys()


TABLE = {
    "id": "stages", "title": "Stages", "paper": "", "data": {"train": "synthetic", "test": "synthetic"},
    "scale": "tiny", "protocol": {},
    "overrides": {
        "data.num_workers": 0, "data.num_test_pairs": 2, "data.num_val_pairs": 2, "data.identities": 3,
        "model.optimisation.milestones": [2],
    },
    "columns": [{"id": "self.psnr", "metric": "psnr", "loader": "self", "direction": "up", "decimals": 2}],
    "rows": [
        {"id": "full", "method": "Full", "kind": "own", "model": "two_stages"},
        {"id": "slow", "method": "Slow", "kind": "ablation", "model": "two_stages_slow"},
        {"id": "image", "method": "Image", "kind": "ablation", "model": "two_stages_image"},
    ],
}  # fmt: skip


def test_the_rows_of_a_table_share_a_foundation(started, capsys):
    Path("stages.yaml").write_text(yaml.safe_dump(TABLE))
    assert main(["benchmark", "stages.yaml"]) == 0
    models = [(words[0], words[2]) for words in started]
    fits = [model for command, model in models if command == "fit"]
    assert fits == ["two_stages_image", "two_stages", "two_stages_slow"]  # the row of the image is the foundation
    assert [command for command, _ in models].count("test") == 3
    assert "full, its foundation two_stages_image: training" in capsys.readouterr().out
    scores = json.loads(Path("runs/benchmark/stages/rows/full/scores.json").read_text())
    assert ", scale tiny, on a trained two_stages_image" in scores["about"]["weights"]
    started.clear()
    assert main(["benchmark", "stages.yaml"]) == 0
    assert not started
