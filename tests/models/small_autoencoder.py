"""An untrained autoencoder of Stable Diffusion's form, and a toy network that reads its latents."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from diffusers import AutoencoderKL

from reenact.assets import cache_dir
from reenact.models.magicportrait.config import GuidanceConfig, UNetConfig
from reenact.models.magicportrait.module import MagicPortraitModule
from reenact.models.magicportrait.toys import build_toy


def save_autoencoder(seed: int = 0) -> None:
    """Save it as the asset `sd-vae-ft-mse`."""
    torch.manual_seed(seed)
    AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(4, 4, 4, 4), norm_num_groups=2, layers_per_block=1,
    ).save_pretrained(cache_dir() / "sd-vae-ft-mse")  # fmt: skip


def build_latent_toy(latents: Path | None = None) -> MagicPortraitModule:
    """Build the smallest MagicPortrait on Stable Diffusion's latents."""
    toy = build_toy()
    network = replace(
        toy.network.config,
        autoencoder="stable_diffusion",
        unet=UNetConfig(channels=[8, 8], layers=1, heads=2, groups=4, latent=4, prompt_width=8),
        guidance=GuidanceConfig(widths=[4, 8, 8, 8], heads=2, groups=4),
    )
    return MagicPortraitModule("head", network, toy.losses, toy.optimisation, latents=latents)
