"""Autoencoders between pictures and latents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from reenact.assets import require_asset
from reenact.models.magicportrait.config import MagicPortraitConfig
from reenact.nn.frozen import Frozen

if TYPE_CHECKING:
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

VAE_ASSET = "sd-vae-ft-mse"
VAE_SCALE = 0.18215
"""Factor on the latents of Stable Diffusion."""


class Autoencoder(Protocol):
    """Interface of both."""

    def encode(self, image: Tensor, noise: Tensor | None = None) -> Tensor:
        """Turn pictures (N, 3, H, W) in [-1, 1] into latents (N, C, h, w).

        Args:
            image: pictures.
            noise: (N, C, h, w) standard normal numbers that draw from what the encoder says; None takes its mean.
        """

    def decode(self, latents: Tensor) -> Tensor:
        """Turn latents (N, C, h, w) into pictures (N, 3, H, W), not clipped."""


class PatchTransform:
    """Pixels of squares as channels, times a factor.

    Args:
        side: of the squares.
        scale: the factor.
    """

    def __init__(self, side: int, scale: float) -> None:
        self.side = side
        self.scale = scale

    def encode(self, image: Tensor, noise: Tensor | None = None) -> Tensor:
        """Turn pictures (N, 3, H, W) into latents (N, 3 * side * side, h, w); there is nothing to draw."""
        return self.scale * F.pixel_unshuffle(image, self.side)

    def decode(self, latents: Tensor) -> Tensor:
        """Turn latents into pictures (N, 3, H, W)."""
        return F.pixel_shuffle(latents / self.scale, self.side)


class StableDiffusionAutoencoder:
    """Stable Diffusion's autoencoder with the decoder of sd-vae-ft-mse."""

    def __init__(self) -> None:
        self.frozen: Frozen[AutoencoderKL] = Frozen(load_autoencoder)

    @torch.no_grad()
    def encode(self, image: Tensor, noise: Tensor | None = None) -> Tensor:
        """Turn pictures (N, 3, H, W) in [-1, 1] into latents (N, 4, H / 8, W / 8)."""
        posterior = self.frozen.follow(image).encode(image).latent_dist
        latents = posterior.mean if noise is None else posterior.mean + posterior.std * noise.to(posterior.mean)
        scaled: Tensor = VAE_SCALE * latents
        return scaled

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Turn latents into pictures (N, 3, H, W)."""
        image: Tensor = self.frozen.follow(latents).decode(latents / VAE_SCALE).sample
        return image


def build_autoencoder(config: MagicPortraitConfig) -> PatchTransform | StableDiffusionAutoencoder:
    """Return the autoencoder that the settings name."""
    if config.autoencoder == "patches":
        return PatchTransform(config.factor, config.patch_scale)
    return StableDiffusionAutoencoder()


def load_autoencoder() -> AutoencoderKL:
    """Load the autoencoder of the asset `sd-vae-ft-mse`.

    Raises:
        ReenactError: if its files are missing.
    """
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    folder = require_asset(VAE_ASSET)
    return AutoencoderKL.from_pretrained(folder, local_files_only=True)
