"""Coefficients standardised by the statistics of all training batches."""

import torch

from reenact.nn.running_standard import LEAST_DEVIATION, RunningStandard


def test_statistics_are_those_of_every_row_of_every_batch():
    torch.manual_seed(0)
    layer, spread = RunningStandard(3), torch.tensor([0.1, 1.0, 30.0])
    batches = torch.randn(20, 6, 5, 3, dtype=torch.float64).float() * spread + torch.tensor([2.0, 0.0, -100.0])
    for batch in batches:
        layer(batch)
    rows = batches.flatten(0, -2)
    torch.testing.assert_close(layer.mean, rows.mean(0), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(layer.variance, rows.var(0, correction=0), rtol=1e-3, atol=1e-5)
    layer.eval()
    before = layer.mean.clone()
    standardised = layer(rows)
    assert torch.equal(layer.mean, before)
    torch.testing.assert_close(standardised.mean(0), torch.zeros(3), rtol=0, atol=1e-3)
    torch.testing.assert_close(standardised.std(0), torch.ones(3), rtol=1e-3, atol=0)


def test_untrained_it_changes_nothing_and_coefficients_that_never_move_stay_near_zero():
    layer, rows = RunningStandard(2), torch.tensor([[1.0, 5.0], [3.0, 5.0]])
    assert torch.equal(layer.eval()(rows), rows)
    layer.train()(rows)
    assert torch.equal(layer.eval()(rows)[:, 1], torch.zeros(2))
    moved = layer(torch.tensor([2.0, 5.5]))
    torch.testing.assert_close(moved, torch.tensor([0.0, 0.5 / LEAST_DEVIATION]))
