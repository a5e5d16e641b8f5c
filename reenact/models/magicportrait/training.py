"""The objective: velocities, weighed by their ratio of signal to noise."""

from __future__ import annotations

from torch import Tensor


def weigh_velocities(alphas: Tensor, timesteps: Tensor, gamma: float) -> Tensor:
    """Return the weights (B,) of timesteps by min-SNR for velocities, from the products of alphas (1000,)."""
    alpha = alphas.to(timesteps.device)[timesteps]
    ratio = alpha / (1 - alpha)
    return (ratio + 1).clamp(max=gamma) / (ratio + 1)
