"""Run folders belong to one process at a time."""

from __future__ import annotations

import csv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from reenact.claims import try_claim
from reenact.cli import main
from reenact.errors import ReenactError
from reenact.runs.run_folder import CLAIM, checkpoint_of, hold_run_folder, new_run, remove_unused

from .standins import Method


def test_runs_of_one_second_have_folders_of_their_own(place):
    with ThreadPoolExecutor(8) as pool:
        folders = list(pool.map(lambda _: new_run("standin"), range(24)))
    assert len(set(folders)) == 24
    for folder in folders:
        remove_unused(folder)
    assert not list(place.iterdir())


def test_a_folder_that_a_process_runs_in_is_refused_to_another(place, monkeypatch, capsys):
    refusals = []

    def another(words: list[str]) -> None:
        assert main(["fit", *words]) == 2
        refusals.append(capsys.readouterr().err)

    step = Method.training_step

    def meanwhile(self: Method, batch: object, batch_idx: int) -> object:
        if self.global_step == 2 and not refusals:
            another(["--ckpt_path", "run/checkpoints/last.ckpt"])
            another(["--model", "standin", "--out", "run"])
        return step(self, batch, batch_idx)

    monkeypatch.setattr(Method, "training_step", meanwhile)
    assert main(["fit", "--model", "standin", "--out", "run", "--checkpoint.every_n_train_steps", "1"]) == 0
    assert "--out run: another process runs in this folder" in refusals[0]
    assert "--out run: the folder is not empty" in refusals[1]
    assert not (place / "run" / CLAIM).exists()


def test_a_new_folder_is_claimed_before_it_holds_anything(place):
    (place / "run").mkdir()
    with (
        try_claim(place / "run" / CLAIM),
        pytest.raises(ReenactError, match="another process runs"),
        hold_run_folder(Path("run"), False),
    ):
        pass
    with pytest.raises(KeyboardInterrupt), hold_run_folder(Path("a/b"), False):
        raise KeyboardInterrupt
    assert [path.name for path in place.iterdir()] == ["run"]


def test_a_resumed_run_writes_each_row_of_its_metrics_once(place, monkeypatch):
    step = Method.training_step

    def fail(self: Method, batch: object, batch_idx: int) -> object:
        if self.global_step == 5:
            raise KeyError("a fault of the program")
        return step(self, batch, batch_idx)

    words = ["--trainer.log_every_n_steps", "1", "--trainer.val_check_interval", "2", "--trainer.max_steps", "6"]
    words += ["--pictures.every_n_steps", "0"]
    assert main(["fit", "--model", "standin", "--out", "whole", *words]) == 0
    with monkeypatch.context() as patch:
        patch.setattr(Method, "training_step", fail)
        with pytest.raises(KeyError):
            main(["fit", "--model", "standin", "--out", "run", "--checkpoint.every_n_train_steps", "3", *words])
    with Path("run/metrics.csv").open("a") as file:
        file.write("4,0.1")  # a row that a kill has cut off
    assert main(["fit", "--ckpt_path", "run/checkpoints/last.ckpt"]) == 0

    def rows(folder: str) -> list[dict[str, str]]:
        with Path(folder, "metrics.csv").open(newline="") as file:
            return list(csv.DictReader(file))

    assert rows("run") == rows("whole")


def test_a_run_that_is_refused_before_its_first_step_leaves_nothing(place, monkeypatch, capsys):
    def refuse(self: Method) -> None:
        raise ReenactError("the data do not fit")

    monkeypatch.setattr(Method, "on_fit_start", refuse)
    assert main(["fit", "--model", "standin", "--out", "elsewhere"]) == 2
    assert "the data do not fit" in capsys.readouterr().err
    assert not list(place.iterdir())


def test_last_finds_a_run_that_out_put_elsewhere(place):
    assert main(["fit", "--model", "standin", "--out", "elsewhere", "--trainer.max_steps", "1"]) == 0
    assert checkpoint_of("--checkpoint", "last", title="standin") == Path("elsewhere/checkpoints/last.ckpt")
