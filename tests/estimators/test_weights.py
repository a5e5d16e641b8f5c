from __future__ import annotations

import pytest
import torch
from torch import nn

from reenact.errors import ReenactError
from reenact.estimators.weights import load_strictly, read_weights, strip_prefix


@pytest.mark.parametrize("packed", [True, False])
def test_both_formats_of_torch(packed, tmp_path):
    path = tmp_path / "weights.tar"
    torch.save({"part": {"bias": torch.arange(3)}}, path, _use_new_zipfile_serialization=packed)
    assert read_weights(path)["part"]["bias"].tolist() == [0, 1, 2]


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ReenactError, match=r"gone\.pt does not exist"):
        read_weights(tmp_path / "gone.pt")


def test_prefixed():
    assert strip_prefix({"a.b": 1, "ab": 2, "c.a.b": 3}, "a.") == {"b": 1}


def test_loading_is_all_or_nothing(tmp_path):
    network = nn.Linear(2, 1)
    before = network.weight.clone()
    with pytest.raises(ReenactError, match=r"its head lacks bias"):
        load_strictly(network, {"weight": torch.ones(1, 2)}, tmp_path / "weights.pt", "head")
    assert torch.equal(network.weight, before)
    load_strictly(network, {"weight": torch.ones(1, 2), "bias": torch.ones(1)}, tmp_path / "weights.pt", "head")
    assert network(torch.ones(1, 2)).item() == 3
