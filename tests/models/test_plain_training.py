"""Training without a discriminator, and the random numbers of its steps."""

from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from zoo import Pairs, pair, trainer

from reenact.faces.contents import Contents
from reenact.faces.fields import TensorFields
from reenact.models.common.base import Reenactment, Reenactor, SourceState
from reenact.models.common.module import ReenactmentModule
from reenact.models.common.training import Optimisation, PlainTraining

pytestmark = pytest.mark.filterwarnings("ignore")


@dataclass
class Picture(TensorFields):
    image: Tensor


@dataclass
class State(SourceState):
    image: Tensor


class NoisyNetwork(Reenactor):
    """Adds noise of a learned size to the source while it trains."""

    needs = Contents()
    parts: ClassVar = {}

    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.full((3, 1, 1), 0.1))
        self.mix = nn.Conv2d(3, 3, 1)

    def encode(self, source):
        return State(Picture(source.image), source.image)

    def read(self, driving):
        return Picture(driving.image)

    def retarget(self, state, driving, transfer, reference=None):
        return driving

    def perform(self, state, motion, random=None):
        image = self.mix(state.image).expand_as(motion.image)
        if random is not None:
            image = image + self.gain * random.normal(*image.shape).to(image)
        return Reenactment(image.clamp(-1, 1))


class NoisyModule(PlainTraining, ReenactmentModule):
    method = "fomm"

    def __init__(self, optimisation: Optimisation | None = None) -> None:
        optimisation = optimisation or Optimisation(lr=0.01)
        super().__init__(NoisyNetwork(), optimisation, {"optimisation": optimisation})

    def compute_losses(self, batch):
        result = self(batch.source, batch.driving, self.random())
        return {"pixel": (result.image - batch.driving.image).abs().mean(), "size": 0.1 * self.network.gain.abs().sum()}


def fit(folder, optimisation=None, batches=2, resume=None, **options):
    pl.seed_everything(0)
    module = NoisyModule(optimisation)
    run = trainer(folder, limit_val_batches=0, **options)
    run.fit(module, Pairs(batches), ckpt_path=resume)
    return run, module


def test_a_resumed_training_draws_the_numbers_of_a_whole_one(tmp_path):
    _, whole = fit(tmp_path, max_epochs=2)
    first, half = fit(tmp_path, max_epochs=1)
    first.save_checkpoint(tmp_path / "half.ckpt")
    torch.manual_seed(5)
    torch.rand(7)
    run, resumed = fit(tmp_path, max_epochs=2, resume=tmp_path / "half.ckpt")
    assert run.global_step == 4
    assert not torch.equal(half.network.gain, whole.network.gain)
    for name, value in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], value), name


def record_draws(monkeypatch):
    """The list of everything that modules draw twice a batch, beside the noise of their network."""
    numbers, step = [], NoisyModule.training_step

    def draw_twice(self, batch, batch_idx):
        drawn = tuple(self.random().normal(2, 3) for _ in range(2))
        numbers.append((self.global_step, batch_idx, drawn))
        return step(self, batch, batch_idx)

    monkeypatch.setattr(NoisyModule, "training_step", draw_twice)
    return numbers


@pytest.mark.parametrize("accumulate", [1, 2])
def test_each_draw_has_numbers_of_its_own_which_resuming_draws_again(tmp_path, monkeypatch, accumulate):
    numbers = record_draws(monkeypatch)
    optimisation = Optimisation(lr=0.01, accumulate=accumulate)
    _, whole = fit(tmp_path, optimisation, batches=4, max_epochs=2)
    expected = [*numbers]
    tensors = [tensor for *_, drawn in expected for tensor in drawn]
    assert len({tuple(tensor.flatten().tolist()) for tensor in tensors}) == 16
    for step, batch, drawn in expected:
        if batch % accumulate == 0:  # the numbers of a training whose steps have one batch, to the bit
            alone = torch.randn(2, 3, generator=torch.Generator().manual_seed(step))
            assert torch.equal(drawn[0], alone)
    first, _ = fit(tmp_path, optimisation, batches=4, max_epochs=1)
    first.save_checkpoint(tmp_path / "half.ckpt")
    numbers.clear()
    _, resumed = fit(tmp_path, optimisation, batches=4, max_epochs=2, resume=tmp_path / "half.ckpt")
    assert [entry[:2] for entry in numbers] == [entry[:2] for entry in expected[4:]]
    for (*_, drawn), (*_, again) in zip(expected[4:], numbers, strict=True):
        assert all(torch.equal(*pair) for pair in zip(drawn, again, strict=True))
    for name, value in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], value), name


def test_a_module_draws_nothing_outside_of_training(tmp_path):
    run, module = fit(tmp_path, max_steps=1)
    batch = pair(2)
    results = [module.eval().reenact(batch).image for _ in range(2)]
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0], module.network(batch.source, batch.driving).image)
    assert run.callback_metrics["train/loss"] == pytest.approx(
        run.callback_metrics["train/loss/pixel"] + run.callback_metrics["train/loss/size"]
    )


def test_the_learning_rate_rises_and_falls(tmp_path):
    rates = []

    class Note(pl.Callback):
        def on_train_batch_start(self, run, module, batch, batch_idx):
            rates.append([group["lr"] for group in run.optimizers[0].param_groups])

    optimisation = Optimisation(lr=0.4, warmup=1, milestones=[3, 4], gamma=0.5, weight_decay=0.1)
    run, _ = fit(tmp_path, optimisation, batches=6, max_epochs=1, callbacks=[Note()])
    assert rates == [pytest.approx([rate] * 2) for rate in (0.2, 0.4, 0.4, 0.2, 0.1, 0.1)]
    decays = {p.ndim: group["weight_decay"] for group in run.optimizers[0].param_groups for p in group["params"]}
    assert decays == {4: 0.1, 3: 0.1, 1: 0.0}


def test_accumulated_batches_are_one_step_of_a_bounded_gradient(tmp_path):
    norms = []

    class Note(pl.Callback):
        def on_before_zero_grad(self, run, module, optimizer):
            gradients = [p.grad.norm() for p in module.parameters() if p.grad is not None]
            if gradients:
                norms.append(torch.stack(gradients).norm().item())

    optimisation = Optimisation(accumulate=2, clip_norm=1e-3)
    run, _ = fit(tmp_path, optimisation, batches=4, max_epochs=1, callbacks=[Note()])
    assert run.global_step == 2
    assert max(norms) == pytest.approx(1e-3, rel=1e-2)


def test_two_processes_draw_the_rows_of_one(tmp_path):
    network, batch = NoisyNetwork(), pair(4)
    state, motion = network.encode(batch.source), network.read(batch.driving)
    module = fit(tmp_path, max_steps=1)[1]
    whole = network.perform(state, motion, module.random()).image
    for rank in (0, 1):
        rows = slice(rank, None, 2)
        share = replace(module.random(), rank=rank, processes=2)
        assert torch.equal(network.perform(state[rows], motion[rows], share).image, whole[rows])
