"""Presets of the stand-ins, and an empty folder to run in."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from reenact.cli import main
from reenact.models.common.portrait_module import PortraitModule
from reenact.packages import allow_packages
from reenact.runs import presets

from .standins import Method

HERE = Method.__module__
FILES = {
    "model/standin.yaml": f"""\
# A stand-in
model:
  class_path: {HERE}.Method
  init_args: {{lr: 0.5, widths: {{channels: 4}}}}
""",
    "model/needy.yaml": f"# Needs too much\nmodel: {{class_path: {HERE}.NeedyMethod}}\n",
    "data/noise.yaml": f"# Noise\ndata: {{class_path: {HERE}.NoiseData}}\n",
    "data/demanding.yaml": "# Needs its root\ndata: {class_path: reenact.data.datamodules.Clips}\n",
    "data/synthetic.yaml": f"# Noise, under the name of the default\ndata: {{class_path: {HERE}.NoiseData}}\n",
    "scale/tiny.yaml": "# Tiny\ntrainer: {max_steps: 4}\ndata: {init_args: {batch_size: 2, size: 8}}\n",
    "scale/paper.yaml": "# Paper\ndata: {init_args: {batch_size: 4, size: 16}}\n",
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working folder in which the presets are those of the stand-ins, whose module is allowed."""
    configs = tmp_path / "configs"
    for kind in ("trainer", "logger"):
        shutil.copytree(presets.presets_folder() / kind, configs / kind)
    for name, text in FILES.items():
        path = configs / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setattr(presets, "presets_folder", lambda: configs)
    with allow_packages([HERE]):
        yield work


def save(path: Path, module: PortraitModule, **changes: object) -> None:
    """Save a module as a training does, its header with some changes."""
    checkpoint = {"state_dict": module.state_dict(), "global_step": 4, "pytorch-lightning_version": "2.6.0"}
    module.on_save_checkpoint(checkpoint)
    checkpoint["reenact"].update(changes)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(checkpoint, path)


@pytest.fixture
def refuse(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run a command line that must be refused; gives the sentence."""

    def run(*words: str) -> str:
        assert main(list(words)) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        lines = captured.err.strip().splitlines()
        assert len(lines) == 1
        assert lines[0].startswith("reenact: error: ")
        return lines[0].removeprefix("reenact: error: ")

    return run
