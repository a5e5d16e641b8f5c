"""Perceptual losses that need no downloaded weights."""

import pytest
import torch

from reenact.nn.perceptual import PerceptualLoss
from reenact.nn.probe import WEIGHTS

PROBE = pytest.param("probe", marks=pytest.mark.skipif(not WEIGHTS.is_file(), reason="the package has no probe yet"))


@pytest.mark.parametrize("kind", ["pixels", PROBE])
def test_nothing_between_equals_and_a_gradient_between_others(kind):
    loss = PerceptualLoss(kind)
    real, fake = torch.rand(2, 2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    assert loss.distance(real, real) == 0
    fake.requires_grad_()
    distance = loss.pyramid([fake, fake[..., ::8, ::8]], [real, real[..., ::8, ::8]])
    distance.backward()
    assert distance > 0
    assert fake.grad is not None
    assert fake.grad.abs().sum() > 0
