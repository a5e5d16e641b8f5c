"""What a run and a benchmark leave for Weights & Biases, read back from the files of offline runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import wandb

from reenact.benchmark.columns import Measured
from reenact.benchmark.report import build_report
from reenact.benchmark.rows import Result
from reenact.benchmark.spec import Column, Row, Table
from reenact.benchmark.wandb_table import log_table
from reenact.cli import main
from reenact.media.video import probe_video
from reenact.metrics.suite import Score

from .wandb_file import config_of, history_of


@pytest.fixture(autouse=True)
def offline(monkeypatch, tmp_path):
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    monkeypatch.setenv("WANDB_SILENT", "true")


def only_file(folder: Path) -> Path:
    (file,) = (folder / "wandb").glob("offline-run-*/*.wandb")
    return file


def table_of(file: Path, entry: dict) -> dict:
    return json.loads((file.parent / "files" / entry["path"]).read_text())


def test_a_run_logs_settings_losses_numbers_pictures_videos_and_rows(place):
    words = [
        "--model",
        "standin",
        "--logger",
        "wandb",
        "--trainer.val_check_interval",
        "4",
        "--trainer.log_every_n_steps",
        "1",
    ]
    assert main(["fit", *words, "--pictures.every_n_steps", "2", "--out", str(place / "run")]) == 0
    wandb.finish()
    file = only_file(place / "run")
    config = config_of(file)
    assert config["method"] == "pwm"
    assert config["model"]["init_args"]["lr"] == 0.5
    assert config["trainer"]["max_steps"] == 4
    history = history_of(file)
    assert len(history["train/loss"]) == 4
    assert history["val/self/psnr"][0] > 0
    assert history["pictures/train"][0]["_type"] == "images/separated"
    video = history["videos/val_self"][0]["videos"][0]
    shown = file.parent / "files" / video["path"]
    assert probe_video(shown).num_frames == 5
    assert (probe_video(shown).width, probe_video(shown).height) == (24, 8)
    assert probe_video(place / "run" / "videos" / "val_cross_0000004.mp4").num_frames == 5
    scores = table_of(file, history["scores/val_self"][0])
    assert scores["columns"] == ["label", "value", "frames", "note"]
    assert [row[0] for row in scores["data"]] == ["psnr", "l1"]


def test_a_test_logs_a_row_a_frame(place):
    assert main(["fit", "--model", "standin", "--out", "run"]) == 0
    checkpoint = str(place / "run" / "checkpoints" / "last.ckpt")
    assert main(["test", "--ckpt_path", checkpoint, "--logger", "wandb", "--out", str(place / "test")]) == 0
    wandb.finish()
    file = only_file(place / "test")
    history = history_of(file)
    rows = table_of(file, history["frames/test_self"][0])
    assert {"source_clip", "driving_frame", "psnr"} <= set(rows["columns"])
    assert len(rows["data"]) == 2
    assert "videos/test_cross" in history


def test_a_benchmark_logs_one_table(tmp_path):
    column = Column(id="self.psnr", metric="psnr", loader="self", direction="up", decimals=2)
    rows = (
        Row(id="a", method="A", kind="own", model="pwm_flame", values={"self.psnr": 20.0}),
        Row(id="b", method="B", kind="baseline"),
    )
    table = Table(
        id="t1",
        title="Title",
        paper="",
        train="x",
        test="x",
        sources="",
        pairs="",
        seed=0,
        protocol={},
        columns=(column,),
        rows=rows,
    )
    results = [
        Result(row=rows[0], scores={"self": {"psnr": Score("psnr", 21.5, 4)}}),
        Result(row=rows[1], scores={}, problem="not in the zoo"),
    ]
    report = build_report(table, [Measured(column, "psnr")], results, tmp_path, [], own_data=True)
    log_table(report, tmp_path)
    wandb.finish()
    file = only_file(tmp_path)
    assert config_of(file)["table"] == "t1"
    assert "not in the zoo" in str(config_of(file)["footnotes"])
    content = table_of(file, history_of(file)["table/t1"][0])
    assert content["columns"][3:] == ["self.psnr", "self.psnr (paper)", "self.psnr (difference)"]
    assert content["data"] == [["a", "A", "pwm_flame", 21.5, 20.0, 1.5], ["b", "B", "", None, None, None]]
