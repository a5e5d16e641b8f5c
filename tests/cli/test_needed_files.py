"""The files that training a preset needs, named before it starts."""

from __future__ import annotations

import pytest

from reenact.cli import main
from reenact.cli.needed_files import find_needed_files
from reenact.models.fomm.module import FOMMModule


@pytest.fixture
def empty_home(tmp_path, monkeypatch):
    for name in ("REENACT_HOME", "TORCH_HOME", "HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")


def test_the_files_that_a_preset_needs(empty_home, capsys):
    assert main(["weights", "list", "--for", "face_vid2vid", "--scale", "paper"]) == 0
    shown = capsys.readouterr().out
    assert "vgg19" in shown
    assert "hopenet" in shown
    assert "arcface" not in shown
    assert main(["weights", "list", "--for", "pwm_flame", "--scale", "tiny"]) == 0
    assert "needs no file" in capsys.readouterr().out
    assert main(["weights", "check", "--for", "pwm_flame"]) == 2


def test_networks_are_built_without_memory(empty_home, monkeypatch):
    devices = []

    def note_devices(module, stage):
        devices.extend(weight.device.type for weight in module.parameters())
        return ()

    monkeypatch.setattr(FOMMModule, "assets", note_devices)
    assert find_needed_files("fomm", "paper") == ()
    assert set(devices) == {"meta"}


def test_all_missing_files_are_listed_at_once(empty_home, capsys):
    assert main(["fit", "--model", "face_vid2vid", "--scale", "paper", "--data", "synthetic"]) == 2
    complaint = capsys.readouterr().err
    assert "hopenet" in complaint
    assert "vgg19" in complaint
