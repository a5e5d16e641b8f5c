"""Settings of the training, and its objective: velocities, weighed by their ratio of signal to noise."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from reenact.models.common.training import Optimisation
from reenact.models.magicportrait.config import Betas, Trained


@dataclass(frozen=True, kw_only=True)
class MagicPortraitLosses:
    """The objective; the paper gives none of these numbers."""

    betas: Betas = "scaled_linear"
    """Noise of the timesteps in training."""
    gamma: float = 5.0
    """Largest weight of a timestep by its ratio of signal to noise (min-SNR)."""
    noise_offset: float = 0.05
    """Standard deviation of noise that is the same at all places and frames of a channel."""
    drop: float = 0.1
    """Share of the batches without a reference, for classifier-free guidance."""
    teacher_steps: int = 0
    """Steps of a teacher that one of the sampler's steps learns to take the place of; 0 learns from the data."""
    teacher_guidance: float = 3.5
    """Scale of classifier-free guidance of the teacher's steps."""


@dataclass(frozen=True, kw_only=True)
class MagicPortraitOptimisation(Optimisation):
    """AdamW; the learning rate is the paper's, the rest Champ's."""

    lr: float = 1e-5
    weight_decay: float = 1e-2
    clip_norm: float | None = 1.0
    trained: Trained = "temporal"
    """Part that is trained."""
    checkpointing: bool = False
    """Compute the activations of the UNets again in the backward pass, which saves memory."""


def weigh_velocities(alphas: Tensor, timesteps: Tensor, gamma: float) -> Tensor:
    """Return the weights (B,) of timesteps by min-SNR for velocities, from the products of alphas (1000,)."""
    alpha = alphas.to(timesteps.device)[timesteps]
    ratio = alpha / (1 - alpha)
    return (ratio + 1).clamp(max=gamma) / (ratio + 1)
