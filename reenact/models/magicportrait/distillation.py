"""A sampler of few steps, learned from one of many: each step of the student ends where several of its teacher do.

Progressive distillation (arXiv 2202.00512) in one stage, along DDIM of the sampler's own schedule. The teacher's steps
have classifier-free guidance, which the student's then have inside.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from reenact.errors import ReenactError
from reenact.models.common.checkpoint import read_checkpoint
from reenact.models.common.header import check_header
from reenact.models.magicportrait.config import Betas
from reenact.models.magicportrait.denoiser import Denoiser, build_denoiser
from reenact.models.magicportrait.network import MagicPortrait
from reenact.models.magicportrait.sampler import build_scheduler
from reenact.nn.frozen import Frozen, hash_weights

Velocity = Callable[[Tensor, Tensor], Tensor]
"""Function of noisy latents (B, C, F, h, w) and timesteps (B) that returns velocities."""
Teacher = Frozen[Denoiser]
"""Denoiser that is followed."""
PREFIX, DENOISER = "network.", "denoiser."


class Trajectory:
    """Steps of a student and of its teacher on one schedule.

    Args:
        betas: rule of the noise.
        steps: of the student.
        substeps: steps of the teacher for each of them.
    """

    def __init__(self, betas: Betas, steps: int, substeps: int) -> None:
        scheduler = build_scheduler(betas)
        scheduler.set_timesteps(steps * substeps)
        self.timesteps: Tensor = scheduler.timesteps
        """(steps * substeps) of the teacher, falling; the student's are every `substeps`-th."""
        self.alphas = torch.cat([scheduler.alphas_cumprod[self.timesteps], torch.ones(1)])
        """Shares of the signal's power at them, and 1 at the end."""
        self.substeps = substeps

    def list_starts(self) -> Tensor:
        """Return the student's timesteps."""
        return self.timesteps[:: self.substeps]

    def find_target(self, teacher: Velocity, noisy: Tensor, timesteps: Tensor) -> Tensor:
        """Return the velocities by which one step of the student ends where the teacher's do.

        Args:
            teacher: its velocities, guidance inside.
            noisy: (B, C, F, h, w) latents.
            timesteps: (B) of `list_starts`.
        """
        first = (timesteps.cpu()[:, None] == self.timesteps).int().argmax(1)
        latents = noisy
        for place in range(self.substeps):
            now = first + place
            velocity = teacher(latents, self.timesteps[now].to(noisy.device))
            latents = take_step(latents, velocity, self.alphas[now], self.alphas[now + 1])
        return find_velocity(noisy, latents, self.alphas[first], self.alphas[first + self.substeps])


def build_teacher(network: MagicPortrait, weights: Mapping[str, Tensor]) -> Teacher:
    """Return a frozen denoiser of a network's sizes, outside of every module tree, with the teacher's weights."""
    config = network.config
    own = {name.removeprefix(DENOISER): value for name, value in weights.items() if name.startswith(DENOISER)}

    def build() -> Denoiser:
        denoiser = build_denoiser(config)
        denoiser.load_state_dict(own)
        return denoiser

    return Frozen(build)


def take_step(latents: Tensor, velocity: Tensor, alpha: Tensor, following: Tensor) -> Tensor:
    """Take a step of DDIM from shares (B) of the signal's power to others."""
    signal, noise, next_signal, next_noise = _find_amplitudes(latents, alpha, following)
    clean, drawn = signal * latents - noise * velocity, noise * latents + signal * velocity
    return next_signal * clean + next_noise * drawn


def find_velocity(latents: Tensor, after: Tensor, alpha: Tensor, following: Tensor) -> Tensor:
    """Return the velocity by which `take_step` gives the latents `after`."""
    signal, noise, next_signal, next_noise = _find_amplitudes(latents, alpha, following)
    carried = next_signal * signal + next_noise * noise
    return (after - carried * latents) / (next_noise * signal - next_signal * noise)


def load_teacher(path: Path, network: MagicPortrait) -> tuple[dict[str, Tensor], Tensor]:
    """Load the weights of a teacher that a network starts from, and their digest (32) of bytes.

    Args:
        path: checkpoint or export of the second stage.
        network: the network.

    Raises:
        ReenactError: if it is of another method or stage, or has other sizes.
    """
    checkpoint = read_checkpoint(path)
    check_header(checkpoint, str(path))
    state = {name.removeprefix(PREFIX): value for name, value in checkpoint["state_dict"].items()}
    for name, value in network.state_dict().items():
        shape = tuple(state[name].shape) if name in state else None
        if shape != tuple(value.shape):
            raise ReenactError(
                f"--model.teacher {path} has {name} of the shape {shape}, and this network {tuple(value.shape)}: give a"
                " checkpoint of the preset magicportrait with the same sizes in --model.network"
            )
    weights = {name: state[name] for name in network.state_dict()}
    return weights, torch.frombuffer(bytearray.fromhex(hash_weights(weights)), dtype=torch.uint8)


def _find_amplitudes(latents: Tensor, alpha: Tensor, following: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return amplitudes (B, 1, 1, 1, 1) of signal and noise before and after a step."""
    before, after = (share.to(latents)[:, None, None, None, None] for share in (alpha, following))
    return before.sqrt(), (1 - before).sqrt(), after.sqrt(), (1 - after).sqrt()
