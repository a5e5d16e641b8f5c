"""The probe's network and its pieces."""

import pytest
import torch

from reenact.nn.probe import REACH, WEIGHTS, Probe, centres_of_mass, gram_schmidt, load_probe, resize_to_side


def test_readings_of_any_size_of_picture():
    probe = Probe().eval()
    reading = probe(torch.rand(2, 3, 96, 200) * 2 - 1)
    assert reading.landmarks.shape == (2, 68, 2)
    assert reading.landmarks.abs().max() <= REACH
    assert reading.coefficients.shape == (2, 113)
    torch.testing.assert_close(reading.embedding.norm(dim=1), torch.ones(2))
    turned = reading.rotation @ reading.rotation.mT
    torch.testing.assert_close(turned, torch.eye(3).expand(2, 3, 3), atol=1e-5, rtol=0)
    assert [layer.shape[-1] for layer in probe.features(resize_to_side(torch.zeros(1, 3, 8, 8)))] == [64, 32, 16, 8, 4]


def test_it_is_small_enough_to_ship():
    assert sum(value.numel() for value in Probe().state_dict().values()) * 2 < 5e6


def test_a_peak_is_found_where_it_is():
    logits = torch.zeros(1, 2, 32, 32)
    logits[0, 0, 3, 10] = logits[0, 1, 31, 0] = 100.0
    found = centres_of_mass(logits)[0] / REACH
    torch.testing.assert_close(found, torch.tensor([[21 / 32 - 1, 7 / 32 - 1], [1 / 32 - 1, 63 / 32 - 1]]))


def test_zero_is_the_identity():
    torch.testing.assert_close(gram_schmidt(torch.zeros(1, 6))[0], torch.eye(3))
    turns = gram_schmidt(torch.randn(5, 6, generator=torch.Generator().manual_seed(0)))
    torch.testing.assert_close(torch.linalg.det(turns), torch.ones(5))


@pytest.mark.skipif(not WEIGHTS.is_file(), reason="the package has no probe yet")
def test_the_shipped_network_is_one_object_and_frozen():
    probe = load_probe()
    assert probe is load_probe()
    assert not probe.training
    assert not any(parameter.requires_grad for parameter in probe.parameters())
    assert WEIGHTS.stat().st_size < 5e6
