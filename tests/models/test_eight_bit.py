"""Adam with moments of 8 bits, for every training."""

import sys
from types import SimpleNamespace

import pytest
import torch
from zoo import CASES, Pairs, trainer

from reenact.cli import main
from reenact.errors import ReenactError
from reenact.models.common.optimisers import build_adam
from reenact.models.common.rebuild import build_module

pytestmark = pytest.mark.filterwarnings("ignore")
LARGE = 4096
"""Numbers from which bitsandbytes keeps a weight's moments in 8 bits."""


@pytest.fixture
def absent(monkeypatch):
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)


def build_case(name, *, eight_bit=True):
    """The toy of a method with the other optimiser."""
    module = CASES[name].make()
    optimisation = {**module.arguments["optimisation"], "eight_bit": eight_bit}
    return build_module(type(module), {**module.arguments, "optimisation": optimisation}, name)


def fit(folder, module, epochs, resume=None):
    torch.manual_seed(0)
    run = trainer(folder, limit_val_batches=0, max_epochs=epochs)
    run.fit(module, Pairs(2), ckpt_path=resume)
    return run


def build_seeded(**options):
    torch.manual_seed(1)
    return build_case("magicportrait", **options)


def test_the_missing_package_is_named_and_nothing_is_left_behind(absent, tmp_path, capsys):
    options = ["--model", "bfm_flow", "--model.optimisation.eight_bit", "true", "--out", str(tmp_path / "run")]
    assert main(["fit", *options]) == 2
    error = " ".join(capsys.readouterr().err.split())
    assert "--model.optimisation.eight_bit true needs the package bitsandbytes: pip install" in error
    assert "reenact-zoo[adam8bit]" in error
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["bfm_flow", "fomm"])
def test_a_training_from_python_names_it_too(absent, tmp_path, name):
    with pytest.raises(ReenactError, match="needs the package bitsandbytes"):
        fit(tmp_path, build_case(name), 1)


def test_without_the_option_nothing_is_needed(absent):
    assert type(build_adam([{"params": [torch.nn.Parameter(torch.ones(2))]}], 1e-3, (0.9, 0.999))) is torch.optim.Adam


@pytest.mark.parametrize(("decoupled", "name"), [(False, "Adam8bit"), (True, "AdamW8bit")])
def test_the_settings_reach_the_optimiser(monkeypatch, decoupled, name):
    def note(groups, **settings):
        return name, groups, settings

    stub = SimpleNamespace(optim=SimpleNamespace(**{name: note}))
    monkeypatch.setitem(sys.modules, "bitsandbytes", stub)
    groups = [{"params": []}]
    built = build_adam(groups, 0.3, (0.5, 0.9), eight_bit=True, decoupled=decoupled)
    assert built == (name, groups, {"lr": 0.3, "betas": (0.5, 0.9)})


@pytest.mark.parametrize("name", ["magicportrait", "fomm"])
def test_large_weights_have_moments_of_8_bits(name, tmp_path):
    pytest.importorskip("bitsandbytes", reason="needs the extra adam8bit")
    pytest.importorskip("diffusers", reason="needs the extra diffusion")
    state = fit(tmp_path, build_case(name), 1).optimizers[0].state
    moments = [(weight.numel() >= LARGE, values["state1"].dtype) for weight, values in state.items()]
    assert set(moments) == {(True, torch.uint8), (False, torch.float32)}


def test_a_training_with_8_bits_goes_on_exactly_and_learns_about_as_much(tmp_path):
    pytest.importorskip("bitsandbytes", reason="needs the extra adam8bit")
    pytest.importorskip("diffusers", reason="needs the extra diffusion")
    whole, half, resumed, precise = (build_seeded(eight_bit=number < 3) for number in range(4))
    start = {name: weight.clone() for name, weight in whole.state_dict().items()}
    fit(tmp_path, whole, 2)
    fit(tmp_path, half, 1).save_checkpoint(tmp_path / "half.ckpt")
    fit(tmp_path, resumed, 2, tmp_path / "half.ckpt")
    fit(tmp_path, precise, 2)
    after = whole.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in resumed.state_dict().items())
    large = [name for name, weight in whole.named_parameters() if weight.numel() >= LARGE and weight.requires_grad]
    steps, precise_steps = (
        torch.cat([(state[name] - start[name]).flatten() for name in large]) for state in (after, precise.state_dict())
    )
    assert torch.cosine_similarity(steps, precise_steps, dim=0) > 0.9
    assert not torch.equal(steps, precise_steps)
