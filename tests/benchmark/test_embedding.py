"""The map of codes to the plane, and the linear probe."""

import numpy as np
import pytest

from reenact.benchmark.embedding import (
    compute_affinities,
    compute_gradient,
    compute_perplexities,
    map_to_plane,
    probe_labels,
)

LABELS = np.repeat(np.arange(4), 12)


def groups(spread: float, seed: int = 0) -> np.ndarray:
    """Points of four groups in 16 dimensions."""
    draw = np.random.default_rng(seed)
    return np.random.default_rng(9).normal(size=(4, 16))[LABELS] + spread * draw.normal(size=(len(LABELS), 16))


def share_of_own_neighbours(place: np.ndarray) -> float:
    distance = np.linalg.norm(place[:, None] - place[None], axis=-1)
    np.fill_diagonal(distance, np.inf)
    return float((LABELS[distance.argsort(1)[:, :5]] == LABELS[:, None]).mean())


def test_each_point_has_the_perplexity():
    squares = ((groups(0.5)[:, None] - groups(0.5)[None]) ** 2).sum(-1)
    np.fill_diagonal(squares, np.inf)
    # Of 4 equal distances the perplexity is 4 whatever the precision.
    equal = np.where(np.eye(5) > 0, np.inf, 2.0)
    np.testing.assert_allclose(compute_perplexities(equal, np.linspace(0.1, 3, 5)), 4)
    joint = compute_affinities(groups(0.5), 6.0)
    assert joint.sum() == pytest.approx(1)
    np.testing.assert_array_equal(joint, joint.T)
    # Groups of 12 points: nearly all of a perplexity of 6 is inside of them.
    assert joint[LABELS[:, None] == LABELS].sum() > 0.95


def test_the_gradient_is_that_of_the_divergence():
    joint = compute_affinities(groups(1.0), 8.0)
    place = np.random.default_rng(1).normal(size=(len(LABELS), 2))

    def divergence(place):
        nearness = 1 / (1 + ((place[:, None] - place[None]) ** 2).sum(-1))
        np.fill_diagonal(nearness, 0)
        inside = joint > 0
        return (joint[inside] * np.log(joint[inside] / (nearness / nearness.sum())[inside])).sum()

    gradient = compute_gradient(joint, place)
    for row, column in ((0, 0), (7, 1), (30, 0)):
        step = np.zeros_like(place)
        step[row, column] = 1e-5
        slope = (divergence(place + step) - divergence(place - step)) / 2e-5
        assert gradient[row, column] == pytest.approx(slope, rel=1e-4, abs=1e-8)


def test_groups_stay_groups_and_noise_stays_mixed():
    place = map_to_plane(groups(0.3), steps=800)
    assert share_of_own_neighbours(place) > 0.98
    np.testing.assert_array_equal(map_to_plane(groups(0.3), steps=800), place)
    noise = np.random.default_rng(2).normal(size=(len(LABELS), 16))
    assert share_of_own_neighbours(map_to_plane(noise, steps=400)) < 0.5


def test_a_probe_reads_labels_that_are_there():
    assert probe_labels(groups(0.3), LABELS, groups(0.3, 1), LABELS) == 1
    noise = np.random.default_rng(3).normal(size=(2, len(LABELS), 16))
    assert probe_labels(noise[0], LABELS, noise[1], LABELS) < 0.5
    # A coefficient that never changes has no weight, and none of its scale.
    constant = np.concatenate([groups(0.3), np.full((len(LABELS), 1), 5.0)], 1)
    assert probe_labels(constant, LABELS, np.concatenate([groups(0.3, 1), np.zeros((48, 1))], 1), LABELS) == 1
