"""Coefficients brought to mean 0 and deviation 1 by running statistics of the training."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reenact.nn.whole_batch import mean_over_processes

LEAST_DEVIATION = 0.02
"""Deviation by which coefficients that move less are divided, so that those that never move stay near 0."""


class RunningStandard(nn.Module):
    """Coefficients (..., K) less their mean in the training so far, over their deviation in it.

    Every row of every training batch counts alike, this batch's among them, over all processes. A network in use keeps
    the statistics of its training; before any training they leave the coefficients as they are.

    Args:
        coefficients: K.
    """

    mean: Tensor
    variance: Tensor
    batches: Tensor

    def __init__(self, coefficients: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(coefficients))
        self.register_buffer("variance", torch.ones(coefficients))
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))

    def forward(self, coefficients: Tensor) -> Tensor:
        """Standardise coefficients; while training, count them first."""
        if self.training:
            self._count(coefficients.detach().flatten(0, -2).float())
        return (coefficients - self.mean) / self.variance.sqrt().clamp(min=LEAST_DEVIATION)

    @torch.no_grad()
    def _count(self, rows: Tensor) -> None:
        mean = mean_over_processes(rows.mean(0))
        variance = mean_over_processes((rows - mean).square().mean(0))
        self.batches += 1
        share = 1 / self.batches
        change = mean - self.mean
        self.variance.lerp_(variance, share).add_(share * (1 - share) * change.square())
        self.mean.add_(share * change)
