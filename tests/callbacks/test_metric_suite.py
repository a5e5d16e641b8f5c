"""Which metrics a run measures, on which loaders, and how often."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from cli.conftest import place  # noqa: F401 - a fixture
from cli.standins import Method
from data.made_store import SIZE, add_clip, made_arrays
from safetensors.torch import load_file

from reenact.callbacks.extremes import Extremes
from reenact.callbacks.metric_suite import MetricSuite
from reenact.cli import main
from reenact.data.datamodules import Synthetic
from reenact.data.store.clip_arrays import list_fields
from reenact.data.store.reader import StoreInfo
from reenact.data.store.writer import StoreWriter
from reenact.metrics.distributions import compute_moments, frechet_distance
from reenact.metrics.readers import feature_size
from reenact.models.common.base import Reenactment


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


@pytest.mark.parametrize("masked", [True, False])
def test_masks_come_to_held_out_portraits_where_a_metric_reads_them(place, masked, capsys):  # noqa: F811 - the fixture
    arrays = made_arrays(12)
    if masked:
        arrays = replace(arrays, mask=np.ones((12, SIZE, SIZE), np.bool_))
    writer = StoreWriter(Path("store"), StoreInfo("head", SIZE, {}, list_fields(arrays)))
    for name, split in (("a#1", "train"), ("b#1", "test"), ("c#1", "test")):
        add_clip(writer, name, 12, split, arrays)
    words = ["--data", "reenact.data.datamodules.Clips", "--data.root", "store", "--data.num_val_pairs", "2"]
    words += ["--metrics.names", "[psnr, psnr.foreground]", "--trainer.max_steps", "1"]
    code = main(["fit", "--model", "standin", *words, "--out", "run"])
    if not masked:
        assert code == 2
        assert "--metrics.names: psnr.foreground is measured on the person and the data has no masks;" in (
            capsys.readouterr().err
        )
        return
    assert code == 0
    rows = pq.read_table("run/scores/val_self_0000001.parquet").to_pylist()
    assert len(rows) == 2
    assert all(row["psnr.foreground"] == pytest.approx(row["psnr"]) for row in rows)


def test_another_loader_is_refused(place, capsys):  # noqa: F811 - the fixture
    words = ["--metrics.names", "[{name: psnr, loaders: [both]}]"]
    assert main(["fit", "--model", "standin", *words, "--out", "run"]) == 2
    assert "--metrics.names: [{name: psnr, loaders: [both]}] is no list of metrics" in capsys.readouterr().err


def test_the_most_extreme_frames_are_kept():
    extremes = Extremes(2)
    for numbers in ([3.0, math.nan, 5.0], [4.0, 1.0], [2.0], [9.0]):
        extremes.add(numbers, {"result": torch.tensor(numbers)[:, None]})
    for frames, wanted in ((extremes.lowest, [1, 2]), (extremes.highest, [9, 5])):
        assert [number for number, _ in frames] == wanted
        assert [pictures["result"].item() for _, pictures in frames] == wanted


def test_files_for_figures_have_a_row_for_each_frame(tmp_path):
    data = Synthetic(size=32, num_test_pairs=3, num_workers=0, batch_size=2)
    suite = MetricSuite(["fid[probe]", "kid[probe]"], for_figures=True)
    trainer = SimpleNamespace(
        world_size=1, is_global_zero=True, default_root_dir=str(tmp_path), global_step=0, loggers=[], datamodule=data
    )
    module = Method()
    module.log = lambda *values, **options: None
    suite.on_test_epoch_start(trainer, module)
    trainer.test_dataloaders = data.test_dataloader()
    for batch in trainer.test_dataloaders["cross"]:
        pair = batch.normalised()
        suite.on_test_batch_end(trainer, module, Reenactment(pair.source.image), pair, 0, 1)
    suite.on_test_epoch_end(trainer, module)
    scores = tmp_path / "scores"
    features = load_file(scores / "test_cross_0000000.safetensors")
    shape = (3, feature_size("probe"))
    assert {name: part.shape for name, part in features.items()} == {"probe.generated": shape, "probe.driving": shape}
    frames = pq.read_table(scores / "test_cross_0000000.parquet").to_pydict()
    assert all(0 <= yaw <= 180 for yaw in frames["yaw_difference"])
    assert len(set(frames["pose_difference"])) == 3
    fid = frechet_distance(compute_moments(features["probe.generated"]), compute_moments(features["probe.driving"]))
    written = json.loads((scores / "test_cross_0000000.json").read_text())["loaders"]["cross"][0]["value"]
    assert float(fid) == pytest.approx(written, rel=1e-6)
