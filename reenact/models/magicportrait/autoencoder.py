"""Autoencoders between pictures and latents."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from reenact.assets import require_asset
from reenact.models.magicportrait.config import MagicPortraitConfig
from reenact.models.magicportrait.latent_cache import LatentCache
from reenact.nn.frozen import Frozen

if TYPE_CHECKING:
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

VAE_ASSET = "sd-vae-ft-mse"
VAE_SCALE = 0.18215
"""Factor on the latents of Stable Diffusion."""
COLOURS = ((1.0, 1.0, 1.0), (1.0, 0.0, -1.0), (1.0, -2.0, 1.0))
"""Brightness, and two differences of red, green and blue; orthogonal."""
COLOUR_GAINS = (1.0, 2.0, 2.0)
"""Gains of these: differences of colours are small."""


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


class CosineTransform:
    """Lowest frequencies of the cosine transform of squares as channels, without anything trained.

    The transform is orthonormal, over brightness and two differences of the colours. The amplitudes of pictures fall
    with the frequency, those of noise do not: coefficients are enlarged by `(1 + u) * (1 + v)`, and colours twofold, so
    that noise hides fine structures less far before coarse ones.

    Args:
        side: pixels of a square.
        frequencies: frequencies along each side of a square that brightness and each colour keep; with as many as
            pixels nothing is lost.
        scale: factor on all latents.
    """

    def __init__(self, side: int, frequencies: tuple[int, int], scale: float) -> None:
        self.side = side
        self.basis, gains = build_cosine_basis(side, frequencies)
        self.gains = scale * gains[:, None, None]

    def encode(self, image: Tensor, noise: Tensor | None = None) -> Tensor:
        """Turn pictures (N, 3, H, W) into latents (N, C, H / side, W / side); there is nothing to draw."""
        return F.conv2d(image, self.basis.to(image), stride=self.side) * self.gains.to(image)

    def decode(self, latents: Tensor) -> Tensor:
        """Turn latents into pictures (N, 3, H, W)."""
        return F.conv_transpose2d(latents / self.gains.to(latents), self.basis.to(latents), stride=self.side)


def build_cosine_basis(side: int, frequencies: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Return orthonormal waves (C, 3, side, side) of brightness and colours, and the gain (C) of each one."""
    places, waves = torch.arange(side), torch.arange(side)[:, None]
    cosines = torch.cos(math.pi * (2 * places + 1) * waves / (2 * side)) * math.sqrt(2 / side)
    cosines[0] /= math.sqrt(2)
    planes = torch.einsum("ui,vj->uvij", cosines, cosines)
    growth = (1.0 + waves) * (1.0 + waves.T)
    basis, gains = [], []
    for colour, count, gain in zip(
        COLOURS, (frequencies[0], frequencies[1], frequencies[1]), COLOUR_GAINS, strict=True
    ):
        unit = torch.tensor(colour) / math.sqrt(sum(value**2 for value in colour))
        basis.append(torch.einsum("c,nij->ncij", unit, planes[:count, :count].flatten(0, 1)))
        gains.append(gain * growth[:count, :count].flatten())
    return torch.cat(basis), torch.cat(gains)


class StableDiffusionAutoencoder:
    """Stable Diffusion's autoencoder with the decoder of sd-vae-ft-mse."""

    def __init__(self) -> None:
        self.frozen: Frozen[AutoencoderKL] = Frozen(load_autoencoder)
        self.cache: LatentCache | None = None
        """Files of what the encoder says of pictures; None encodes every picture each time."""

    @torch.no_grad()
    def encode(self, image: Tensor, noise: Tensor | None = None) -> Tensor:
        """Turn pictures (N, 3, H, W) in [-1, 1] into latents (N, 4, H / 8, W / 8)."""
        moments = self._tell_moments(image) if self.cache is None else self.cache.read(image, self._tell_moments)
        mean, deviation = moments.chunk(2, dim=1)
        latents = mean if noise is None else mean + deviation * noise.to(mean)
        scaled: Tensor = VAE_SCALE * latents
        return scaled

    def _tell_moments(self, image: Tensor) -> Tensor:
        """Return means and standard deviations (N, 8, H / 8, W / 8)."""
        posterior = self.frozen.follow(image).encode(image).latent_dist
        return torch.cat((posterior.mean, posterior.std), dim=1)

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Turn latents into pictures (N, 3, H, W)."""
        image: Tensor = self.frozen.follow(latents).decode(latents / VAE_SCALE).sample
        return image


def build_autoencoder(config: MagicPortraitConfig) -> CosineTransform | StableDiffusionAutoencoder:
    """Return the autoencoder that the settings name."""
    if config.autoencoder == "cosines":
        brightness, colours = config.frequencies
        return CosineTransform(config.factor, (brightness, colours), config.latent_scale)
    return StableDiffusionAutoencoder()


def load_autoencoder() -> AutoencoderKL:
    """Load the autoencoder of the asset `sd-vae-ft-mse`.

    Raises:
        ReenactError: if its files are missing.
    """
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    folder = require_asset(VAE_ASSET)
    return AutoencoderKL.from_pretrained(folder, local_files_only=True)
