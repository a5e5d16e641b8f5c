"""The example of docs/development.md, a method in a package of its own, is one among the others."""

from __future__ import annotations

import json
import re
import shlex
import sys
import tomllib
from pathlib import Path

import pytest
import torch

from reenact.cli import main
from reenact.media.video import VideoReader
from reenact.methods.registry import GROUP, find_method, scan_methods
from reenact.models.common.checkpoint import load_method
from reenact.runs import presets

PAGE = Path(__file__).resolve().parents[2] / "docs" / "development.md"
BLOCK = re.compile(r'^```\w+ title="([^"]+)"\n(.*?)^```$', re.MULTILINE | re.DOTALL)


@pytest.fixture
def example(tmp_path, monkeypatch) -> dict[str, str]:
    """Install the package of the page without pip; gives the page's blocks by title."""
    blocks = dict(BLOCK.findall(PAGE.read_text(encoding="utf-8")))
    site = tmp_path / "site"
    for title, text in blocks.items():
        if "." in title:
            (site / title).parent.mkdir(parents=True, exist_ok=True)
            (site / title).write_text(text, encoding="utf-8")
    (site / "copy_source" / "__init__.py").touch()
    project = tomllib.loads(blocks["pyproject.toml"])["project"]
    about = site / "copy_source-0.1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    points = "".join(f"{name} = {value}\n" for name, value in project["entry-points"][GROUP].items())
    (about / "entry_points.txt").write_text(f"[{GROUP}]\n{points}")
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.chdir(tmp_path)
    scan_methods.cache_clear()
    yield blocks
    scan_methods.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == "copy_source"]:
        del sys.modules[name]


def test_the_example_goes_through_every_command(example, clips, known_faces, monkeypatch, capsys):
    lines = [shlex.split(line)[1:] for line in example["copy_source"].splitlines()]
    assert [words[0] for words in lines] == ["list", "fit", "fit", "test", "animate", "export"]
    for words in lines:
        words = [str(clips / word) if word in ("0.png", "2.mp4") else word for word in words]
        few = ["--data.num_workers", "0", "--data.num_val_pairs", "2", "--data.num_test_pairs", "2", "--scale", "tiny"]
        if words[0] in ("fit", "test"):
            words += ["--pictures.every_n_steps", "0", *few]
        assert main(words) == 0, words
        if words[0] == "list":
            assert "copy_source: the source as it is" in capsys.readouterr().out
    checkpoint = torch.load("run/checkpoints/last.ckpt", weights_only=True)
    assert checkpoint["global_step"] == 6
    assert checkpoint["reenact"]["class"] == "copy_source.module.CopyModule"
    assert checkpoint["state_dict"]["network.gain"].abs().min() > 0.01  # the overlay's learning rate
    assert sum(1 for _ in VideoReader(Path("out.mp4"))) == 9
    assert json.loads(Path("shared/config.json").read_text())["reenact"]["method"] == "copy_source"
    assert torch.equal(load_method("shared").network.gain, checkpoint["state_dict"]["network.gain"])


def test_a_file_may_name_the_class_of_an_installed_method(example, capsys):
    Path("own.yaml").write_text("model: {class_path: copy_source.module.CopyModule}\n")
    assert main(["fit", "-c", "own.yaml", "--print_config"]) == 0
    Path("own.yaml").write_text("model: {class_path: copy_source.method.Other}\n")
    assert main(["fit", "-c", "own.yaml", "--print_config"]) == 2
    assert "copy_source.method.Other: no class for this" in capsys.readouterr().err


def test_the_example_is_found_by_its_preset(example):
    assert presets.find_preset("model", "copy_source").is_file()
    method = find_method("copy_source")
    assert method is not None
    assert method.version == 1
