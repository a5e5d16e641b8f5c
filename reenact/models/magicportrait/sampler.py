"""DDIM over whole videos, window by window, and the noise schedules of training and sampling."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from torch import Tensor

from reenact.models.common.base import ReportProgress, ignore_progress
from reenact.models.magicportrait.config import TIMESTEPS, Betas, Sampling
from reenact.models.magicportrait.windows import list_windows

Predict = Callable[[Tensor, Tensor, list[int]], Tensor]
"""Function of noisy latents (B, C, F, h, w), timesteps (B,) and the numbers of their frames that returns velocities."""


def build_scheduler(betas: Betas) -> DDIMScheduler:
    """Return the schedule whose last step is noise alone, with velocities as predictions."""
    return DDIMScheduler(
        num_train_timesteps=TIMESTEPS,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule=betas,
        clip_sample=False,
        steps_offset=1,
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
    )


def draw_noise(seed: int, frames: Sequence[int], shape: tuple[int, ...]) -> Tensor:
    """Return standard normal noise (1, C, F, h, w), each frame's from the seed and its own number alone.

    Args:
        seed: of the video.
        frames: numbers of the F frames.
        shape: (C, h, w) of a frame.
    """
    pieces = []
    for frame in frames:
        state = int(np.random.SeedSequence([seed, frame]).generate_state(1, np.uint64)[0])
        pieces.append(torch.randn(shape, generator=torch.Generator().manual_seed(state)))
    return torch.stack(pieces, 1)[None]


def combine_predictions(plain: Tensor, guided: Tensor, scale: float) -> Tensor:
    """Return the prediction of classifier-free guidance from those without and with the reference."""
    return plain + scale * (guided - plain)


def sample_latents(
    predict: Predict, noise: Tensor, sampling: Sampling, progress: ReportProgress = ignore_progress
) -> Tensor:
    """Denoise the latents of a video.

    At every step the predictions of all windows are averaged where they overlap, and the whole video takes one step.

    Args:
        predict: the denoiser, on the latents' device or any other.
        noise: (B, C, N, h, w).
        sampling: steps and windows.
        progress: called after each window with the finished fraction.
    """
    scheduler = build_scheduler(sampling.betas)
    scheduler.set_timesteps(sampling.steps)
    windows = list_windows(noise.shape[2], sampling.window, sampling.overlap, wrap=sampling.wrap)
    visits = torch.zeros(noise.shape[2], dtype=noise.dtype, device=noise.device)
    for frames in windows:
        visits[frames] += 1
    latents, finished = noise, 0
    for timestep in scheduler.timesteps:
        total = torch.zeros_like(latents)
        steps = timestep.expand(len(noise)).to(noise.device)
        for frames in windows:
            total[:, :, frames] += predict(latents[:, :, frames], steps, frames).to(total)
            finished += 1
            progress(finished / (len(windows) * len(scheduler.timesteps)))
        velocity = total / visits[:, None, None]
        latents = scheduler.step(velocity, timestep, latents, return_dict=False)[0]
    return latents
