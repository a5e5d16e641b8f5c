"""Distances between sets, against closed forms, SciPy and torch-fidelity."""

import numpy as np
import pytest
import scipy.linalg
import torch

from reenact.metrics.distributions import (
    FrechetDistance,
    KernelDistance,
    compute_moments,
    frechet_distance,
    kernel_distance,
)


def features(count: int, size: int, seed: int, shift: float = 0.0) -> torch.Tensor:
    draw = torch.Generator().manual_seed(seed)
    mixed = torch.randn(count, size, generator=draw) @ torch.randn(size, size, generator=draw)
    return mixed + shift


def test_closed_form_of_round_distributions():
    size, a, b, shift = 7, 2.0, 5.0, 0.3
    first = torch.zeros(size), a * torch.eye(size)
    second = torch.full((size,), shift), b * torch.eye(size)
    wanted = size * (shift**2 + (a**0.5 - b**0.5) ** 2)
    assert frechet_distance(first, second).item() == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize("count", [200, 12])
def test_scipys_square_root_agrees(count):
    first, second = features(count, 16, 0), features(count, 16, 1, 0.5)
    (m1, s1), (m2, s2) = ((m.numpy(), s.numpy()) for m, s in (compute_moments(first), compute_moments(second)))
    wanted = ((m1 - m2) ** 2).sum() + np.trace(s1 + s2 - 2 * np.real(scipy.linalg.sqrtm(s1 @ s2)))
    assert frechet_distance(compute_moments(first), compute_moments(second)).item() == pytest.approx(wanted, rel=1e-3)


def test_numpys_covariance():
    values = features(30, 4, 3)
    mean, covariance = compute_moments(values)
    np.testing.assert_allclose(covariance, np.cov(values.double().numpy(), rowvar=False), rtol=1e-6)
    np.testing.assert_allclose(mean, values.double().mean(0))


def test_batches_do_not_matter():
    first, second = features(50, 8, 4), features(40, 8, 5, 1.0)
    metric = FrechetDistance("fid[made]", 8)
    for part in first.split(7):
        metric.update(part, real=False)
    for part in second.split(13):
        metric.update(part, real=True)
    assert metric.compute().item() == pytest.approx(
        frechet_distance(compute_moments(first), compute_moments(second)).item(), rel=1e-6
    )


def test_few_frames_are_said_to_bias():
    metric = FrechetDistance("fid[made]", 8)
    for real in (True, False):
        metric.update(features(8, 8, 4 + real), real=real)
    assert metric.note() == "biased by the number of frames, 8 and 8 for 8 features"
    for real in (True, False):
        metric.update(features(8, 8, 6 + real), real=real)
    assert metric.note() == ""


@pytest.mark.parametrize("make", [lambda: FrechetDistance("fid[made]", 4), lambda: KernelDistance("kid[made]")])
def test_one_frame_has_no_distance(make):
    metric = make()
    metric.update(torch.ones(1, 4), real=False)
    metric.update(torch.ones(5, 4), real=True)
    assert metric.compute().isnan()
    assert metric.note() == "a distance between sets needs two frames of each, there are 1 and 5"


def test_torch_fidelity_agrees_on_the_frechet_distance():
    fidelity = pytest.importorskip("torch_fidelity.metric_fid")
    first, second = features(90, 32, 8), features(70, 32, 9, 0.3)
    statistics = [
        {"mu": part.double().mean(0).numpy(), "sigma": np.cov(part.double().numpy().T)} for part in (first, second)
    ]
    wanted = fidelity.fid_statistics_to_metric(*statistics, verbose=False)[fidelity.KEY_METRIC_FID]
    metric = FrechetDistance("fid[made]", 32)
    metric.update(first, real=False)
    metric.update(second, real=True)
    assert metric.compute().item() == pytest.approx(wanted, rel=1e-3)


def test_torch_fidelity_agrees_on_the_kernel_distance():
    fidelity = pytest.importorskip("torch_fidelity.metric_kid")
    first, second = features(60, 16, 6).double(), features(60, 16, 7, 0.2).double()
    found = fidelity.kid_features_to_metric(first, second, kid_subsets=1, kid_subset_size=60, verbose=False)
    wanted = found[fidelity.KEY_METRIC_KID_MEAN]
    assert kernel_distance(first, second).item() == pytest.approx(wanted, rel=1e-3)


def test_the_kernel_distance_of_one_distribution_is_near_zero():
    metric = KernelDistance("kid[made]")
    draw = torch.Generator().manual_seed(0)
    for real in (True, False):
        for _ in range(4):
            metric.update(torch.randn(250, 8, generator=draw), real=real)
    assert abs(metric.compute().item()) < 0.02
