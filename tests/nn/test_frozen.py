"""Networks that are read with and never trained."""

import copy

import pytest
import torch
from torch import nn

from reenact.nn.frozen import Frozen, hash_weights


def build() -> nn.Linear:
    build.calls += 1
    layer = nn.Linear(2, 1)
    with torch.no_grad():
        layer.weight.fill_(1 / 3)
        layer.bias.zero_()
    return layer.train()


@pytest.fixture
def frozen() -> Frozen[nn.Linear]:
    build.calls = 0
    return Frozen(build)


def test_it_is_loaded_at_its_first_use_and_learns_nothing(frozen):
    assert build.calls == 0
    network = frozen.follow(torch.zeros(1, 2))
    assert frozen.load() is network
    assert build.calls == 1
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_a_module_does_not_hold_it_and_its_copies_share_it(frozen):
    module = nn.Module()
    module.part = frozen
    frozen.load()
    assert not module.state_dict()
    assert not list(module.parameters())
    assert copy.deepcopy(module).part is frozen


def test_it_follows_the_device_and_the_precision_of_what_it_reads(frozen):
    assert frozen.follow(torch.zeros(1, 2, dtype=torch.bfloat16)).weight.dtype == torch.bfloat16
    again = frozen.follow(torch.zeros(1, 2, dtype=torch.float64))
    assert again.weight.dtype == torch.float64
    assert torch.equal(again.weight.float(), torch.full((1, 2), 1 / 3))  # no digit is lost
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert frozen.follow(torch.zeros(1, 2, dtype=torch.bfloat16)).weight.dtype == torch.float64
    assert frozen.follow(torch.zeros(1, 2, device="meta", dtype=torch.float64)).weight.device.type == "meta"


def test_the_digest_is_that_of_the_loaded_weights(frozen):
    assert frozen.digest == hash_weights({"bias": torch.zeros(1), "weight": torch.full((1, 2), 1 / 3)})
    assert frozen.digest != hash_weights({"bias": torch.zeros(1), "weight": torch.full((1, 2), 0.3)})
    assert len(frozen.digest) == 64
    converted = Frozen(build)
    converted.follow(torch.zeros(1, 2, dtype=torch.bfloat16))
    assert converted.digest == frozen.digest
