"""Which metrics a run measures, on which loaders, and how often."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pyarrow.parquet as pq
import torch
from cli.conftest import place  # noqa: F401 - a fixture

from reenact.callbacks.metric_suite import _Extremes
from reenact.cli import main


def scored(folder: Path) -> dict[str, list[str]]:
    """File of scores -> the metrics in it."""
    found = {}
    for path in sorted((folder / "scores").glob("*.json")):
        (loader,) = json.loads(path.read_text())["loaders"].values()
        found[path.stem] = [score["metric"] for score in loader]
    return found


def test_metrics_have_loaders_and_steps_of_their_own(place):  # noqa: F811 - the fixture
    names = (
        "[flicker.excess, l1, {name: psnr, every_n_steps: 3}, {name: ssim, loaders: [cross]},"
        " {name: flicker, every_n_steps: 100}]"
    )
    words = ["--trainer.val_check_interval", "1", "--trainer.max_steps", "4", "--metrics.names", names]
    assert main(["fit", "--model", "standin", *words, "--out", "run"]) == 0
    first, second = ["flicker.excess", "l1", "psnr", "flicker"], ["flicker.excess", "l1"]
    assert scored(Path("run")) == {
        **{f"val_cross_{step:07d}": ["flicker.excess"] for step in (1, 2, 3, 4)},
        "val_self_0000001": first,
        "val_self_0000002": second,
        "val_self_0000003": second,
        "val_self_0000004": ["flicker.excess", "l1", "psnr"],
    }
    assert "psnr" not in pq.read_table("run/scores/val_self_0000002.parquet").column_names
    assert (Path("run") / "pictures" / "val_self_worst_0000002.png").is_file()
    assert main(["test", "--ckpt_path", "run/checkpoints/last.ckpt", "--metrics.names", names, "--out", "test"]) == 0
    assert scored(Path("test")) == {"test_cross_0000000": ["flicker.excess"], "test_self_0000000": first}


def test_another_loader_is_refused(place, capsys):  # noqa: F811 - the fixture
    words = ["--metrics.names", "[{name: psnr, loaders: [both]}]"]
    assert main(["fit", "--model", "standin", *words, "--out", "run"]) == 2
    assert "--metrics.names: [{name: psnr, loaders: [both]}] is no list of metrics" in capsys.readouterr().err


def test_the_most_extreme_frames_are_kept():
    extremes = _Extremes(2)
    for numbers in ([3.0, math.nan, 5.0], [4.0, 1.0], [2.0], [9.0]):
        extremes.add(numbers, {"result": torch.tensor(numbers)[:, None]})
    for frames, wanted in ((extremes.lowest, [1, 2]), (extremes.highest, [9, 5])):
        assert [number for number, _ in frames] == wanted
        assert [pictures["result"].item() for _, pictures in frames] == wanted
