"""Two processes give what one gives."""

import json

import pytest
import torch.multiprocessing as mp

from metrics.made_networks import write_backbone
from metrics.two_processes import NAMES, score_one, score_two


@pytest.fixture(scope="module")
def values(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    write_backbone(folder, "squeeze")
    # Forked: a spawned process would import all of it again.
    mp.start_processes(score_two, (folder,), nprocs=2, start_method="fork")
    mp.start_processes(score_one, (folder,), nprocs=1, start_method="fork")
    return [json.loads((folder / f"{name}.json").read_text()) for name in ("one", "two")]


@pytest.mark.parametrize("name", [*NAMES, "ms_ssim", "missing"])
def test_two_processes_with_unequal_shares_score_as_one(name, values):
    one, two = (part[name] for part in values)
    assert two[0] == pytest.approx(one[0], rel=1e-6)
    assert one[0] == one[0], "a value, not n/a"
    assert two[1:] == one[1:]
