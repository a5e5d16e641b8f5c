"""Derivatives by forward differentiation, and the systems of equations of Gauss-Newton steps over a clip."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import torch
from scipy.linalg import solveh_banded
from torch import Tensor

DAMPING = 1e-4
"""Levenberg's share of the diagonal."""


def compute_jacobian(function: Callable[[Tensor], Tensor], value: Tensor, mix: Tensor) -> Tensor:
    """Derivatives of landmarks by unknowns.

    Args:
        function: from (T, D) unknowns to (T, N, 2) vertices; frames do not depend on each other.
        value: (T, D).
        mix: (T, P, N) weights of the vertices in the landmarks.

    Returns:
        (T, 2 P, D) float64.
    """

    def column(direction: Tensor) -> Tensor:
        derivative: Tensor = torch.func.jvp(function, (value,), (direction.expand_as(value),))[1]
        return derivative

    directions = torch.eye(value.shape[1], dtype=value.dtype, device=value.device)
    with warnings.catch_warnings():
        # Torch scripts its own decompositions when forward-mode differentiation is first used.
        warnings.filterwarnings("ignore", message="`torch.jit.script", category=FutureWarning)
        warnings.filterwarnings("ignore", message="`torch.jit.script", category=DeprecationWarning)
        by_vertex = torch.func.vmap(column)(directions).permute(1, 2, 3, 0).flatten(2)
    return (mix @ by_vertex).reshape(len(value), -1, value.shape[1]).double()


def damp_diagonal(matrix: Tensor) -> Tensor:
    """Return matrices (..., D, D) whose diagonals are a little larger, so that they can be inverted."""
    return matrix + (DAMPING * matrix.diagonal(dim1=-2, dim2=-1) + 1e-9).diag_embed()


def fill_frames(state: Tensor, good: Tensor) -> Tensor:
    """Rows (T, D) for all frames from those of the good ones, linear between them and constant beyond."""
    frames = np.flatnonzero(good.cpu().numpy())
    every = np.arange(len(good))
    columns = [np.interp(every, frames, column) for column in state.T.cpu().numpy()]
    return torch.from_numpy(np.stack(columns, 1)).to(state)


def solve_chain(blocks: Tensor, smooth: Tensor, gradient: Tensor) -> Tensor:
    """Solve the block-tridiagonal system whose off-diagonal blocks are the diagonal matrix -smooth.

    Args:
        blocks: (T, D, D) symmetric, without the smoothness.
        smooth: (D,).
        gradient: (T, D).
    """
    frames, size = gradient.shape
    ends = torch.full((frames, 1), 2.0).to(smooth)
    ends[0] -= 1
    ends[-1] -= 1
    blocks = blocks + (ends * smooth).diag_embed()
    # upper banded storage: row `size - k` holds the k-th superdiagonal, aligned at its columns
    banded = np.zeros((size + 1, frames * size))
    dense, columns = blocks.cpu().numpy(), np.arange(frames) * size
    for column in range(size):
        for row in range(column + 1):
            banded[size + row - column, columns + column] = dense[:, row, column]
    banded[0, size:] = np.tile(-smooth.cpu().numpy(), frames - 1)
    solution = solveh_banded(banded, gradient.double().cpu().numpy().ravel(), check_finite=False)
    return torch.from_numpy(solution.reshape(frames, size)).to(gradient)
