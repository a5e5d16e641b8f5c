"""The scripts under `benchmarks/` start, and run with their smallest settings."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"
SCRIPTS = sorted(str(path.relative_to(FOLDER)) for path in FOLDER.rglob("[!_]*.py"))
SMALLEST = {
    "animate.py": "--widths tiny --size 64 --frames 4",
    "bfm_flow_inference.py": "--size 64 --frames 1 --repeats 1",
    "export3d_inference.py": "--frames 1 --repeats 1",
    "guidance.py": "--size 64",
    "guidance_speed.py": "--repeats 1",
    "keypoint_inference.py": "--method fomm --rounds 1",
    "large_checkpoint.py": "--megabytes 16",
    "loader.py": "--clips 4 --frames 16 --size 64 --workers 0 --pairs 512 --batch 4 --million 100",
    "magicportrait_cost.py": "--size 64 --frames 2",
    "metrics.py": "--lpips probe --frames 4 --size 64 --batch 4",
    "prepare.py": "--rounds 1 --people 2",
    "pwm_inference.py": "--size 64 --frames 1 --repeats 1",
    "rasterizer.py": "--batch 1 --size 64 --repeats 2",
    "startup.py": "--runs 1",
    "synthetic_world.py": "--frames 4 --size 64",
    "volume_rendering.py": "--size 8",
}
"""Words of a short run of each script that `make bench` runs."""


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_imports_and_lists_its_options(script, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [script, "--help"])
    monkeypatch.setattr(sys, "path", [str((FOLDER / script).parent), *sys.path])
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(FOLDER / script), run_name="__main__")
    assert not stop.value.code
    assert "usage:" in capsys.readouterr().out


def test_every_script_of_make_bench_has_a_short_run():
    bench = {script for script in SCRIPTS if "/" not in script}
    assert set(SMALLEST) == bench - {"quickstart.py"}


@pytest.mark.slow
@pytest.mark.parametrize("script", SMALLEST)
def test_a_short_run_measures(script, tmp_path):
    command = [sys.executable, str(FOLDER / script), *SMALLEST[script].split()]
    environment = {**os.environ, "PYTHONPATH": str(FOLDER.parent), "OMP_NUM_THREADS": "1"}
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip()
