"""The values of metrics as text: labels with brackets, notes, one column a loader."""

from __future__ import annotations

import json
import math

from cli.conftest import place  # noqa: F401 - a fixture

from reenact.callbacks.score_files import read_scores, write_scores
from reenact.callbacks.score_text import score_text
from reenact.cli import main
from reenact.metrics.suite import Score


def test_metrics_of_one_family_are_told_apart():
    scores = [Score("csim[arcface-r50]", 0.5, 3), Score("csim[dlib]", math.nan, 0, "no file [bold]x[/bold]")]
    text = score_text({"self": scores, "cross": scores[:1]}, {"self": 3, "cross": 2})
    assert [line.split() for line in text.splitlines()] == [
        ["metric", "self", "(3", "frames)", "cross", "(2", "frames)"],
        ["csim[arcface-r50]", "0.5", "0.5"],
        ["csim[dlib]", "n/a", "[1]", "-"],
        ["[1]", "csim[dlib]:", "no", "file", "[bold]x[/bold]"],
    ]


def test_a_test_prints_one_table(place, capsys):  # noqa: F811 - the fixture
    assert main(["fit", "--model", "standin", "--out", "run"]) == 0
    for command in ("test", "validate"):
        capsys.readouterr()
        words = ["--ckpt_path", "run/checkpoints/last.ckpt", "--metrics.names", json.dumps(["psnr", "l1"])]
        assert main([command, *words, "--out", command]) == 0
        out = capsys.readouterr().out
        assert [out.count(word) for word in ("psnr", "self (2 frames)", "cross (2 frames)", "l1  ")] == [1, 1, 1, 1]
        assert "dataloader" not in out.lower()


def test_files_of_earlier_versions_have_todays_names(tmp_path):
    write_scores({"self": [Score("csim[arcface]", 0.5, 3), Score("akd[fan]", 2.0, 3)]}, tmp_path / "scores.json")
    scores = read_scores(tmp_path / "scores.json").scores["self"]
    assert {name: (score.label, score.value) for name, score in scores.items()} == {
        "csim[arcface-r50]": ("csim[arcface-r50]", 0.5),
        "akd[face-alignment]": ("akd[face-alignment]", 2.0),
    }
