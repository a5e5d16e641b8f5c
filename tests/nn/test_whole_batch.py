"""A process's share of the draws and means of the whole batch."""

from functools import partial
from types import SimpleNamespace

import pytest
import torch

from reenact.models.common.portrait_module import PortraitModule
from reenact.models.mmfa.losses import relative_invariance, shake_images
from reenact.nn import whole_batch
from reenact.nn.thin_plate import RandomWarp


def draws(rank, processes, step=3):
    trainer = SimpleNamespace(world_size=processes)
    module = SimpleNamespace(global_step=step, global_rank=rank, trainer=trainer, _generator=None)
    module._seed_generator = partial(PortraitModule._seed_generator, module)
    return PortraitModule.random(module)


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_processes_draw_the_rows_of_the_whole_batch(processes):
    image = torch.rand(6, 3, 8, 8)
    warp, moved = RandomWarp.draw(image, draws(0, 1)), shake_images(image, draws(0, 1))
    for rank in range(processes):
        rows = image[rank::processes]
        share = RandomWarp.draw(rows, draws(rank, processes))
        assert torch.equal(share.affine, warp.affine[rank::processes])
        assert torch.equal(share.weights, warp.weights[rank::processes])
        torch.testing.assert_close(shake_images(rows, draws(rank, processes)), moved[rank::processes])


def test_uniform_numbers_are_rows_of_the_whole_batch():
    whole = draws(0, 1).uniform(6, 5, 2)
    assert whole.shape == (6, 5, 2)
    assert 0 <= whole.min() < whole.max() < 1
    for rank in range(2):
        assert torch.equal(draws(rank, 2).uniform(3, 5, 2), whole[rank::2])


def test_steps_draw_other_numbers():
    assert not torch.equal(draws(0, 2, step=3).normal(4), draws(0, 2, step=4).normal(4))


def test_the_relative_invariance_of_shares_is_that_of_the_whole_batch(monkeypatch):
    network = torch.randn(5, 4, dtype=torch.double, requires_grad=True)
    inputs = torch.randn(3, 8, 5, dtype=torch.double)
    whole = relative_invariance(*(inputs @ network))
    (wanted,) = torch.autograd.grad(whole, network)
    shares = [(inputs @ network)[:, rank::2] for rank in (0, 1)]
    means = [torch.stack([(x - y).square().sum(1).mean() for y in (z, s)]).detach() for x, s, z in shares]
    gradients = []
    for rank, share in enumerate(shares):
        fake = SimpleNamespace(
            is_available=lambda: True,
            is_initialized=lambda: True,
            get_world_size=lambda: 2,
            all_reduce=lambda value, rank=rank: value.add_(means[1 - rank]),
        )
        monkeypatch.setattr(whole_batch, "dist", fake)
        loss = relative_invariance(*share)
        torch.testing.assert_close(loss, whole)
        gradients += torch.autograd.grad(loss, network, retain_graph=True)
    # DDP hands each process the mean of the gradients.
    torch.testing.assert_close((gradients[0] + gradients[1]) / 2, wanted)
