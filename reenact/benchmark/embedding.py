"""Sets of codes for figures: their map to the plane, and the labels that a linear probe reads from them.

The map is exact t-SNE. A figure has a hundred points, for which it takes seconds; approximations of t-SNE are for
thousands of points and would add a package.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Labels = NDArray[np.int64]

EXAGGERATED = 250
"""Steps in which attraction is raised, so that groups form before they spread (van der Maaten and Hinton, 3.4)."""
EXAGGERATION = 12.0
MOMENTA = (0.5, 0.8)
"""Momentum during these steps and after them."""
LEAST_GAIN = 0.01
SEARCH = 60
"""Halvings in the search for the width of a point's neighbourhood."""


def map_to_plane(points: Array, perplexity: float = 10.0, steps: int = 1000) -> Array:
    """Map points (N, D) to the plane (N, 2) by exact t-SNE (van der Maaten and Hinton, 2008).

    It starts from the two principal components, so that the same points have the same map.

    Args:
        points: N points.
        perplexity: effective number of neighbours of a point; less than N.
        steps: steps of gradient descent.
    """
    joint = compute_affinities(points, perplexity)
    place = _project_to_components(points)
    moved, gains = np.zeros_like(place), np.ones_like(place)
    rate = max(len(points) / EXAGGERATION / 4, 50.0)
    for step in range(steps):
        early = step < EXAGGERATED
        gradient = compute_gradient(joint * (EXAGGERATION if early else 1.0), place)
        gains = np.maximum(np.where(moved * gradient < 0, gains + 0.2, gains * 0.8), LEAST_GAIN)
        moved = MOMENTA[not early] * moved - rate * gains * gradient
        place = place + moved
    return np.asarray(place - place.mean(0))


def compute_affinities(points: Array, perplexity: float) -> Array:
    """Joint probabilities (N, N) of neighbours, of sum 1: Gaussians whose widths give each point a perplexity."""
    squares = ((points[:, None] - points[None]) ** 2).sum(-1)
    squares = squares / np.median(squares[squares > 0])
    np.fill_diagonal(squares, np.inf)
    low, high = np.full(len(points), 1e-6), np.full(len(points), 1e6)
    for _ in range(SEARCH):
        middle = np.sqrt(low * high)
        wide = compute_perplexities(squares, middle) > perplexity
        low, high = np.where(wide, middle, low), np.where(wide, high, middle)
    neighbours = _normalise_rows(squares, np.sqrt(low * high))
    return (neighbours + neighbours.T) / (2 * len(points))


def compute_perplexities(squares: Array, precision: Array) -> Array:
    """Perplexities (N,) of the neighbourhoods of points, of squared distances (N, N) and precisions (N,)."""
    neighbours = _normalise_rows(squares, precision)
    entropy = -(neighbours * np.log(np.maximum(neighbours, 1e-300))).sum(1)
    return np.asarray(np.exp(entropy))


def compute_gradient(joint: Array, place: Array) -> Array:
    """Gradient (N, 2) of the divergence between joint probabilities (N, N) and those of points (N, 2) of the plane."""
    difference = place[:, None] - place[None]
    nearness = 1 / (1 + (difference**2).sum(-1))
    np.fill_diagonal(nearness, 0)
    forces = (joint - nearness / nearness.sum()) * nearness
    return np.asarray(4 * (forces[..., None] * difference).sum(1))


def probe_labels(train: Array, train_labels: Labels, test: Array, test_labels: Labels, ridge: float = 1e-2) -> float:
    """Measure which share of labels (0 to 1) a linear probe reads: least squares to one output for each label.

    Args:
        train: (N, D) codes.
        train_labels: (N,) labels.
        test: (M, D) other codes.
        test_labels: (M,) labels.
        ridge: penalty of the weights, for codes of unit spread.
    """
    names, targets = np.unique(train_labels, return_inverse=True)
    mean, spread = train.mean(0), train.std(0)
    scale = np.where(spread > 1e-8, 1 / np.maximum(spread, 1e-8), 0.0)
    codes, unknown = ((part - mean) * scale for part in (train, test))
    outputs = np.eye(len(names))[targets]
    level = outputs.mean(0)
    normal = codes.T @ codes / len(codes) + ridge * np.eye(codes.shape[1])
    weights = np.linalg.solve(normal, codes.T @ (outputs - level) / len(codes))
    return float((names[(unknown @ weights + level).argmax(1)] == test_labels).mean())


def _normalise_rows(squares: Array, precision: Array) -> Array:
    logits = -squares * precision[:, None]
    weights = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(weights / weights.sum(1, keepdims=True))


def _project_to_components(points: Array) -> Array:
    """Coordinates (N, 2) along the principal components, small and with signs of their own choice fixed."""
    centred = points - points.mean(0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    axes = directions[:2]
    largest = np.take_along_axis(axes, np.abs(axes).argmax(1)[:, None], 1)
    place = centred @ (axes * np.sign(largest)).T
    return np.asarray(1e-4 * place / place[:, :1].std())
