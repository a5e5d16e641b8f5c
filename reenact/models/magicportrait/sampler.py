"""DDIM over whole videos, window by window, and the noise schedules of training and sampling."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from torch import Tensor

from reenact.models.common.base import ReportProgress, ignore_progress
from reenact.models.magicportrait.config import TIMESTEPS, Betas, Sampling
from reenact.models.magicportrait.latent_files import AT_ONCE, DrawNoise, Latents, LatentsInMemory
from reenact.models.magicportrait.windows import list_windows

COMMON = 1 << 32
"""Number of no frame, of the noise that all frames have in common; without a number it would be that of frame 0."""
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


def draw_noise(seed: int, frames: Sequence[int], shape: tuple[int, ...], shared: float = 0.0) -> Tensor:
    """Return standard normal noise (1, C, F, h, w), each frame's from the seed and its own number alone.

    Args:
        seed: of the video.
        frames: numbers of the F frames.
        shape: (C, h, w) of a frame.
        shared: share of the power that all frames have in common, from 0 to 1 (arXiv 2305.10474, mixed noise).
    """

    def draw(frame: int) -> Tensor:
        state = int(np.random.SeedSequence([seed, frame]).generate_state(1, np.uint64)[0])
        return torch.randn(shape, generator=torch.Generator().manual_seed(state))

    noise = torch.stack([draw(frame) for frame in frames], 1)[None]
    return mix_noise(noise, draw(COMMON)[None, :, None], shared) if shared else noise


def mix_noise(noise: Tensor, common: Tensor, shared: float) -> Tensor:
    """Return noise (B, C, F, h, w) of each frame and one (B, C, 1, h, w) for all, mixed to the same power."""
    return math.sqrt(shared) * common + math.sqrt(1 - shared) * noise


def combine_predictions(plain: Tensor, guided: Tensor, scale: float) -> Tensor:
    """Return the prediction of classifier-free guidance from those without and with the reference."""
    return plain + scale * (guided - plain)


def sample_latents(predict: Predict, noise: Tensor, sampling: Sampling) -> Tensor:
    """Denoise the latents (B, C, N, h, w) of short videos in memory, see `sample_video`."""
    return sample_video(predict, lambda frames: noise[:, :, frames], tuple(noise.shape), sampling, LatentsInMemory())


def sample_video(
    predict: Predict,
    draw: DrawNoise,
    shape: tuple[int, ...],
    sampling: Sampling,
    store: Latents,
    progress: ReportProgress = ignore_progress,
) -> Tensor:
    """Denoise the latents of a video.

    At every step the predictions of all windows are averaged where they overlap, and the whole video takes one step.

    Args:
        predict: the denoiser, on the latents' device or any other.
        draw: draws the noise.
        shape: (B, C, N, h, w).
        sampling: steps and windows.
        store: memory or files of the latents; files may hold finished steps, which are not computed again.
        progress: called after each window with the finished fraction.
    """
    scheduler = build_scheduler(sampling.betas)
    scheduler.set_timesteps(sampling.steps)
    windows = list_windows(shape[2], sampling.window, sampling.overlap, wrap=sampling.wrap)
    first, latents = store.begin(shape, draw)
    visits = latents.new_zeros(shape[2])
    for frames in windows:
        visits[frames] += 1
    for step in range(first, sampling.steps):
        timestep, total = scheduler.timesteps[step], store.allocate("velocities")
        steps = timestep.expand(shape[0]).to(latents.device)
        for number, frames in enumerate(windows):
            total[:, :, frames] += predict(latents[:, :, frames], steps, frames).to(total)
            progress((step + (number + 1) / len(windows)) / sampling.steps)
        following = store.allocate("latents")
        for start in range(0, shape[2], AT_ONCE):
            part = slice(start, start + AT_ONCE)
            velocity = total[:, :, part] / visits[part, None, None]
            following[:, :, part] = scheduler.step(velocity, timestep, latents[:, :, part], return_dict=False)[0]
        store.keep(step + 1)
        latents = following
    return latents
