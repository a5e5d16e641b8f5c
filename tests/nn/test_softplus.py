"""Softplus by a polynomial."""

import torch
from torch.nn import functional

from reenact.nn.softplus import PIECE, softplus


def test_values_and_gradients_are_softplus():
    x = torch.cat([torch.linspace(-40, 40, PIECE + 3), torch.tensor([0.0, -200.0, 1e4])]).view(2, -1).mT
    x.requires_grad_(True)
    right = functional.softplus(x.double())
    result = softplus(x)
    torch.testing.assert_close(result.double(), right, rtol=5e-7, atol=1e-30)
    result.square().sum().backward()
    expected = 2 * right * torch.sigmoid(x.double())
    torch.testing.assert_close(x.grad.double(), expected, rtol=2e-6, atol=1e-30)


def test_double_precision_stays_exact():
    x = torch.linspace(-5, 5, 11, dtype=torch.double)
    assert torch.equal(softplus(x), functional.softplus(x))
