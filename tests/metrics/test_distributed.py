"""Two processes give what one gives."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from metrics.made_networks import write_backbone
from metrics.two_processes import NAMES


@pytest.fixture(scope="module")
def values(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    write_backbone(folder, "squeeze")
    tests = Path(__file__).resolve().parents[1]
    environment = {**os.environ, "PYTHONPATH": f"{tests}:{tests.parent}", "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, tests / "metrics" / "two_processes.py", folder], env=environment, check=True)
    return [json.loads((folder / f"{name}.json").read_text()) for name in ("one", "two")]


@pytest.mark.parametrize("name", [*NAMES, "ms_ssim", "missing"])
def test_two_processes_with_unequal_shares_score_as_one(name, values):
    one, two = (part[name] for part in values)
    assert two[0] == pytest.approx(one[0], rel=1e-6)
    assert one[0] == one[0], "a value, not n/a"
    assert two[1:] == one[1:]
