"""Numbers of held-out portraits, which every run ends with."""

from __future__ import annotations

import csv
import secrets
from pathlib import Path

import pytest
import wandb
import yaml

from reenact.callbacks.held_out import YARDSTICK
from reenact.cli import main


def rows(run: Path) -> list[dict[str, str]]:
    with (run / "metrics.csv").open(newline="") as file:
        return [row for row in csv.DictReader(file) if row.get("val/self/psnr")]


@pytest.mark.parametrize(("interval", "steps"), [("1000", [4]), ("3", [3, 4]), ("2", [2, 4])])
def test_a_run_ends_with_a_validation_of_its_last_step(interval, steps, place, capsys):
    words = ["--trainer.val_check_interval", interval, "--trainer.check_val_every_n_epoch", "null"]
    assert main(["fit", "--model", "standin", *words, "--out", "run"]) == 0
    pictures = sorted(path.name for path in Path("run/pictures").glob("val_self_00*.png"))
    assert pictures == [f"val_self_{step:07d}.png" for step in steps]
    assert len(rows(Path("run"))) == len(steps)
    closing = capsys.readouterr().out
    assert "held-out portraits at step 4: " in closing
    assert ", self/psnr " in closing
    assert "psnr_of_copied_source " in closing


def test_the_yardstick_stands_beside_the_number_of_the_method(place):
    assert main(["fit", "--model", "standin", "--out", "run"]) == 0
    (row,) = rows(Path("run"))
    assert float(row[YARDSTICK]) > 0
    assert row[YARDSTICK] != row["val/self/psnr"]


def test_no_validation_where_none_is_asked_for(place, capsys):
    assert main(["fit", "--model", "standin", "--trainer.limit_val_batches", "0", "--out", "run"]) == 0
    assert not (Path("run") / "scores").exists()
    assert "held-out" not in capsys.readouterr().out


@pytest.mark.parametrize("digits", ["623db4ac", "96604e42", "01234567"], ids=["letters", "float", "integer"])
def test_a_resumed_run_goes_on_in_its_wandb_run(place, monkeypatch, digits):
    monkeypatch.setattr(secrets, "token_hex", lambda _: digits)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    words = ["--logger", "wandb", "--trainer.limit_val_batches", "0"]
    assert main(["fit", "--model", "standin", *words, "--out", "run"]) == 0
    wandb.finish()
    more = ["--trainer.max_steps", "6", "--ckpt_path", "run/checkpoints/last.ckpt"]
    assert main(["fit", "--model", "standin", *words, *more]) == 0
    wandb.finish()
    settings = yaml.safe_load(Path("run/config.yaml").read_text())
    identifier = settings["trainer"]["logger"]["init_args"]["id"]
    files = [path.name for path in Path("run/wandb").glob("offline-run-*/*.wandb")]
    assert set(files) == {f"run-{identifier}.wandb"}
    assert len(files) == 2
