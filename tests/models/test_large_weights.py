"""Checkpoints of many gigabytes: weights stay in their file until they are used, and nothing is held twice."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn
from zoo import FIRST, ZOO, portrait, trainer

from reenact.models.common import large_weights
from reenact.models.common.checkpoint import load_module
from reenact.models.common.large_weights import build_around, write_tensors


@pytest.mark.parametrize("case", FIRST, ids=str)
@torch.no_grad()
def test_a_module_around_the_weights_of_a_file_is_the_one_that_they_are_loaded_into(case, tmp_path, monkeypatch):
    torch.manual_seed(0)
    module = case.make().eval()
    run = trainer(tmp_path)
    run.strategy.connect(module)
    run.save_checkpoint(tmp_path / "last.ckpt")
    pair = portrait(2, 0, "a"), portrait(2, 1, "a")
    image = module.network(*pair).image
    for large in (0, 2**40):  # weights in their mapped file, and copied
        monkeypatch.setattr(large_weights, "LARGE", large)
        loaded = load_module(tmp_path / "last.ckpt")
        for name, value in module.state_dict().items():
            assert torch.equal(loaded.state_dict()[name], value), name
        assert [name for name, _ in loaded.named_buffers()] == [name for name, _ in module.named_buffers()]
        for (name, value), (_, other) in zip(module.named_buffers(), loaded.named_buffers(), strict=True):
            assert torch.equal(value, other), name
        assert torch.equal(loaded.network(*pair).image, image)


def test_zoo_modules_are_built_around_their_weights():
    for case in ZOO:
        module = case.make()
        assert build_around(case.make, module.state_dict()) is not None, case


def test_large_weights_stay_in_their_file_and_changes_do_not_reach_it(tmp_path, monkeypatch):
    torch.save({"weight": torch.ones(4, 4)}, tmp_path / "w.ckpt")
    for large, same in ((0, True), (2**40, False)):
        monkeypatch.setattr(large_weights, "LARGE", large)
        weights = torch.load(tmp_path / "w.ckpt", mmap=True, weights_only=True)
        module = build_around(lambda: nn.Linear(4, 4, bias=False), weights)
        assert (module.weight.data_ptr() == weights["weight"].data_ptr()) is same
        with torch.no_grad():
            module.weight.zero_()
    assert torch.load(tmp_path / "w.ckpt", weights_only=True)["weight"].sum() == 16


class Derived(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2))
        self.twice = 2 * self.weight.detach()


class Outside(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2))
        self.parts = [nn.Linear(2, 2)]


@pytest.mark.parametrize("cls", [Derived, Outside])
def test_a_module_that_needs_its_initial_parameters_is_not_built_around_others(cls):
    assert build_around(cls, {"weight": torch.zeros(2)}) is None


def test_half_precision_becomes_that_of_the_module():
    module = build_around(lambda: nn.Linear(2, 1), {"weight": torch.ones(1, 2).half(), "bias": torch.ones(1)})
    assert module.weight.dtype == torch.float32


def test_tensors_are_written_as_the_library_of_the_format_writes_them(tmp_path):
    shared = torch.arange(12.0).view(3, 4)
    weights = {
        "b.transposed": shared.t(), "a": shared, "half": torch.ones(3).half(), "scalar": torch.tensor(7),
        "brain": torch.ones(2, 2).bfloat16(), "bytes": torch.arange(3, dtype=torch.uint8), "none": torch.zeros(0, 3),
        "é": torch.tensor([True, False]),
    }  # fmt: skip
    write_tensors(weights, tmp_path / "own.safetensors")
    loaded = safetensors.torch.load_file(tmp_path / "own.safetensors")
    assert loaded.keys() == weights.keys()
    assert all(torch.equal(loaded[name], value) for name, value in weights.items())
    del weights["é"]  # the library's order of equal sizes is its own for types
    plain = {name: weights[name].clone().contiguous() for name in ("b.transposed", "a")}
    write_tensors(plain, tmp_path / "plain.safetensors")
    assert (tmp_path / "plain.safetensors").read_bytes() == safetensors.torch.save(plain)


MEASURE = Path(__file__).parents[2] / "benchmarks" / "large_checkpoint.py"


@pytest.mark.slow
def test_a_large_checkpoint_takes_little_memory_of_its_own(tmp_path):
    words = [sys.executable, MEASURE, "--folder", tmp_path, "--megabytes", "288"]
    lines = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    figures = {name: float(value) for name, value in (line.split(": ") for line in lines)}
    size = figures["weights, MiB"]
    assert figures["load, MiB"] < 0.2 * size
    assert figures["settings, MiB"] < 0.2 * size
    assert figures["export, MiB"] < 1.2 * size  # the pages of the file itself, which the system takes back
