"""Runs of two processes: what each learns, and which samples each sees."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch

from reenact.cli import main

HERE = Path(__file__).parent
RECORDER = "--allow-package two_processes -c recorder.yaml"
TWO = "--trainer.accelerator cpu --trainer.devices 2 --trainer.strategy ddp"
DATA = (
    "--data.size 32 --data.batch_size 4 --data.num_workers 0 --data.identities 3 --data.test_identities 2"
    " --data.pairs_per_epoch 8 --data.num_val_pairs 5 --data.num_test_pairs 7"
)
MODEL = "--model pwm_flame --model.network.widths [8,8,8] --model.losses.gan 1 --model.losses.feature_matching 1"


def run(place: Path, words: str, fail: str = "", stop: str = "") -> subprocess.CompletedProcess[str]:
    (place / "recorder.yaml").write_text(
        "trainer: {callbacks: [{class_path: two_processes.Recorder, init_args:"
        f" {{folder: {place}, fail: '{fail}', stop: '{stop}'}}}}]}}\n"
    )
    return subprocess.run(
        [
            sys.executable,
            HERE / "two_processes.py",
            *f"{words} {TWO} {RECORDER}".split(),
        ],
        cwd=place,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join((str(HERE), os.environ.get("PYTHONPATH", ""))),
            "OMP_NUM_THREADS": "1",
        },
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def ranks(place: Path, stage: str) -> list[dict]:
    return [json.loads((place / f"{stage}{rank}.json").read_text()) for rank in (0, 1)]


def test_two_processes_learn_as_one_and_test_every_pair_once(tmp_path):
    fit = run(tmp_path, f"fit {MODEL} {DATA} --trainer.max_steps 3 --trainer.val_check_interval 2")
    assert fit.returncode == 0, fit.stderr
    (folder,) = (tmp_path / "runs" / "pwm_flame").iterdir()
    assert fit.stdout.count("run folder:") == 2  # at the beginning and the end
    assert fit.stdout.count("batch: 4 = 2 x 2 (processes x pairs)") == 1
    assert (folder / "log.txt").read_text().count("step 3/3") == 1
    first, second = ranks(tmp_path, "fit")
    assert first["weights"] == second["weights"]
    samples = [{tuple(row) for row in rank["seen"]} for rank in (first, second)]
    assert len(first["seen"]) == len(second["seen"]) == 6
    assert not samples[0] & samples[1]

    last = folder / "checkpoints" / "last.ckpt"
    test = run(tmp_path, f"test --ckpt_path {last} -c {folder}/config.yaml {DATA} --out tested")
    assert test.returncode == 0, test.stderr
    for number, loader in enumerate(("self", "cross")):
        seen = [tuple(row[1:]) for rank in ranks(tmp_path, "test") for row in rank["seen"] if row[0] == number]
        assert len(seen) == len(set(seen)) == 7
        rows = pq.read_table(tmp_path / "tested" / "scores" / f"test_{loader}_0000000.parquet")
        assert len(rows) == 7


@pytest.mark.slow
def test_two_processes_predict_every_pair_once(tmp_path):
    assert run(tmp_path, f"fit {MODEL} {DATA} --trainer.max_steps 1 --out run").returncode == 0
    predicted = run(tmp_path, f"predict --ckpt_path run/checkpoints/last.ckpt {DATA} --out predicted")
    assert predicted.returncode == 0, predicted.stderr
    names = sorted(path.name for path in (tmp_path / "predicted" / "predictions" / "self").iterdir())
    assert [name[:6] for name in names] == [f"{number:06d}" for number in range(7)]


@pytest.mark.slow
@pytest.mark.parametrize("rank", "01")
def test_a_process_that_stops_takes_the_other_with_it(tmp_path, rank):
    stopped = run(tmp_path, f"fit {MODEL} {DATA} --trainer.max_steps 1 --out run", fail=rank)
    assert stopped.returncode != 0
    assert stopped.stderr.count(f"reenact: error: process {rank} refuses") == 1


@pytest.mark.slow
@pytest.mark.parametrize("rank", "01")
def test_a_signal_to_one_process_stops_both_at_the_same_step_and_saves_it(tmp_path, rank):
    stopped = run(tmp_path, f"fit {MODEL} {DATA} --trainer.max_steps 9 --out run", stop=rank)
    assert stopped.returncode == 130, stopped.stderr
    assert stopped.stderr.count("go on with: reenact fit --ckpt_path run/checkpoints/last.ckpt") == 1
    assert torch.load(tmp_path / "run/checkpoints/last.ckpt", weights_only=True)["global_step"] == 2
    resumed = run(tmp_path, f"fit --ckpt_path run/checkpoints/last.ckpt {DATA} --trainer.max_steps 3")
    assert resumed.returncode == 0, resumed.stderr
    assert torch.load(tmp_path / "run/checkpoints/last.ckpt", weights_only=True)["global_step"] == 3


def test_a_batch_that_cannot_be_divided_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(f"fit {MODEL} {DATA} --data.batch_size 3 {TWO}".split()) == 2
    assert "--data.batch_size 3 cannot be divided over 2 processes" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_batch_norm_that_cannot_be_synchronised_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(f"fit {MODEL} {DATA} {TWO} --trainer.sync_batchnorm true".split()) == 2
    assert "batch norm cannot be synchronised on CPUs" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_further_processes_of_other_launchers_must_be_told_the_run_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert "REENACT_RUN_FOLDER" not in os.environ  # nor of runs before in this process
    monkeypatch.setenv("RANK", "1")
    assert main(["fit", "--model", "pwm_flame"]) == 2
    assert "--out is missing" in capsys.readouterr().err
