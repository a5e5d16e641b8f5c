"""One of two processes fails: the last whole step is saved without the other, and training goes on from it exactly."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

HERE = Path(__file__).parent
MODEL = "fit --model failing_runs.Normed --allow-package failing_runs"
DATA = "--data standins.NoiseData --allow-package standins --data.size 8 --data.batch_size 2"
TWO = "--trainer.accelerator cpu --trainer.devices 2 --trainer.strategy ddp"
STILL = "--pictures.every_n_steps 0 --trainer.limit_val_batches 0 --trainer.enable_progress_bar false"
WORDS = f"{MODEL} {DATA} {TWO} {STILL}".split()
ONE_LOADER = ["--data.num_workers", "1"]
STEP = 3
"""Whole steps before a fault, as in failing_runs."""
LAST = Path("run") / "checkpoints" / "last.ckpt"


def run_pairs(place: Path, *runs: tuple[object, ...]) -> list[dict[str, list]]:
    """Train in pairs of processes, one pair after the other; each run is words, fault, and the number of who has it."""
    finished = subprocess.run(
        [sys.executable, "-c", "import failing_runs; failing_runs.run_all()", json.dumps(runs)],
        cwd=place,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(HERE), *sys.path)), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    )
    return json.loads(finished.stdout.splitlines()[-1])


def train(steps: int, out: str, *more: str) -> list[str]:
    loaders = [] if "--data.num_workers" in more else ["--data.num_workers", "0"]
    return [*WORDS, *loaders, "--trainer.max_steps", str(steps), "--out", out, *more]


def load(path: Path) -> dict:
    return torch.load(path, weights_only=True)


def assert_equal(first: object, second: object) -> None:
    """Compare nested states, tensors bit by bit."""
    if isinstance(first, torch.Tensor):
        assert torch.equal(first, second)
    elif isinstance(first, dict | list):
        assert len(first) == len(second)
        for key in first if isinstance(first, dict) else range(len(first)):
            assert_equal(first[key], second[key])
    else:
        assert first == second


def assert_same_training(first: Path, second: Path) -> None:
    for part in ("state_dict", "optimizer_states"):
        assert_equal(load(first)[part], load(second)[part])


def test_a_process_whose_clips_vanish_costs_no_step(tmp_path):
    (broken,) = run_pairs(tmp_path, (train(5, "run"), "break_reading", 1))
    assert broken["codes"] == [2, 2]
    first, second = broken["errors"]
    assert first == "", "the process that failed says it"
    assert second.startswith("reenact: error: clip3 is missing")
    assert f"; go on with: reenact fit --ckpt_path {LAST}" in second
    assert len(second.splitlines()) == 1
    assert [path.name for path in (tmp_path / LAST).parent.iterdir()] == ["last.ckpt"]
    assert load(tmp_path / LAST)["global_step"] == STEP
    assert_same_training(tmp_path / f"step{STEP}_of_0.pt", tmp_path / LAST)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "broken", "codes", "steps"),
    [
        ("break_reading", 0, [2, 2], [STEP]),
        ("kill_loader", 1, [2, 2], [STEP, STEP + 1, STEP + 2, STEP + 3]),
        ("refuse_in_step", 0, [2, 2], [STEP]),
        ("refuse_in_step", 1, [2, 2], [STEP]),
        ("break_optimiser", 0, [2, 2], []),
        ("break_optimiser", 1, [2, 2], [STEP + 1]),  # the other has stepped as a whole
        ("kill_process", 1, [2, -9], [STEP]),
    ],
)
def test_a_process_that_fails_costs_no_step(tmp_path, fault, broken, codes, steps):
    more = ONE_LOADER if fault == "kill_loader" else []
    runs = [(train(8, "whole"),), (train(8 if not more else 60, "run", *more), fault, broken)]
    whole, failed = run_pairs(tmp_path, *runs)
    assert failed["codes"] == codes
    assert sum(error.count("reenact: error: ") for error in failed["errors"]) == 1
    assert not any("Traceback" in error for error in failed["errors"])
    assert [path.name for path in tmp_path.glob("run/checkpoints/*")] == (["last.ckpt"] if steps else [])
    if steps:
        assert load(tmp_path / LAST)["global_step"] in steps
        (resumed,) = run_pairs(tmp_path, (train(8, "run", "--ckpt_path", str(LAST)),))
        assert resumed["codes"] == whole["codes"] == [0, 0]
        assert_same_training(tmp_path / "whole/checkpoints/last.ckpt", tmp_path / LAST)


ENDING = """
import subprocess, sys, time
from reenact.cli.launching import end_after_failure
import threading
children = [subprocess.Popen([sys.executable, "-c", text]) for text in ("import time; time.sleep(60)", {failing!r})]
threading.Thread(target=end_after_failure, args=(children, {grace}), daemon=True).start()
time.sleep({wait})
children[0].kill()
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("failing", "grace", "wait", "code"),
    [("raise SystemExit(2)", 0.0, 30, 2), ("raise SystemExit(2)", 30.0, 1, 0), ("", 0.0, 3, 0)],
    ids=["hangs", "ends by itself", "nothing failed"],
)
def test_a_run_that_hangs_after_a_failure_is_ended(failing, grace, wait, code):
    text = ENDING.format(failing=failing, grace=grace, wait=wait)
    assert subprocess.run([sys.executable, "-c", text], timeout=60, check=False).returncode == code
