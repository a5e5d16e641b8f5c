"""The expression VAE (section 3.3); its layers are those of the source that the paper cites for its adversarial loss.

That source is 3DFaceShop, `vaes.py`: the paper itself gives no sizes.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from reenact.faces.fields import TensorFields

DIGEST_SIZE = 32
"""Bytes that tell one MMFA from another."""


@dataclass(frozen=True)
class VAEConfig:
    """Sizes of the VAE."""

    expression: int = 256
    """Length of MMFA's expression feature."""
    latent: int = 128
    """Length of a code."""
    hidden: int = 512
    """Widths of the hidden layers."""


@dataclass
class Reconstruction(TensorFields):
    """Features, and what the VAE makes of them; both standardised."""

    features: Tensor
    """(B, E) expression features."""
    rebuilt: Tensor
    """(B, E) features out of the decoder."""
    mean: Tensor
    """(B, Z) means of the codes."""
    log_variance: Tensor
    """(B, Z) log variances of the codes."""

    def divergence(self) -> Tensor:
        """(B, Z) KL divergence of each dimension's normal distribution from the standard one, in nats."""
        return -0.5 * (1 + self.log_variance - self.mean.square() - self.log_variance.exp())


class ExpressionVAE(nn.Module):
    """Codes for expression features, and back.

    Inside, features have the mean 0 and the variance 1 over the training set: MMFA leaves their size free.

    Args:
        config: its size.
    """

    digest: Tensor

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        self.standard = nn.BatchNorm1d(config.expression, eps=1e-8, affine=False, momentum=None)
        self.encoder = hidden_layers(config.expression, config.hidden, 0.01)
        self.mean = nn.Linear(config.hidden, config.latent)
        self.log_variance = nn.Linear(config.hidden, config.latent)
        self.decoder = hidden_layers(config.latent, config.hidden, 0.2)
        self.decoder.append(nn.Linear(config.hidden, config.expression))
        self.register_buffer("digest", torch.zeros(DIGEST_SIZE, dtype=torch.uint8))

    def forward(self, features: Tensor, noise: Tensor) -> Reconstruction:
        """Rebuild features (B, E) from codes drawn with standard normal noise (B, Z)."""
        standard = self.standard(features)
        hidden = self.encoder(standard)
        mean, log_variance = self.mean(hidden), self.log_variance(hidden)
        code = mean + (0.5 * log_variance).exp() * noise
        return Reconstruction(standard, self.decoder(code), mean, log_variance)

    def code(self, features: Tensor) -> Tensor:
        """Mean codes (B, Z) of features (B, E)."""
        code: Tensor = self.mean(self.encoder(self.standard(features)))
        return code

    def feature(self, code: Tensor) -> Tensor:
        """Features (B, E) of codes (B, Z)."""
        return self.restored(self.decoder(code))

    def restored(self, standard: Tensor) -> Tensor:
        """Features (B, E) of standardised ones."""
        mean, variance = self.standard.running_mean, self.standard.running_var
        assert mean is not None
        assert variance is not None
        return standard * (variance + self.standard.eps).sqrt() + mean

    def between(self, source: Tensor, driving: Tensor, weight: float) -> Tensor:
        """Features (B, E) on the way from those of the source to those of the driving face: z_S + weight (z_D - z_S).

        At the ends they are the VAE's, not the given ones.
        """
        return self.feature(torch.lerp(self.code(source), self.code(driving), weight))

    def sample(self, seed: int) -> Tensor:
        """A random feature (1, E), the same for the same seed on every device."""
        noise = torch.randn(1, self.mean.out_features, generator=torch.Generator().manual_seed(seed))
        return self.feature(noise.to(self.digest.device))


class ExpressionDiscriminator(nn.Module):
    """Tells expression features from rebuilt ones; it has no sigmoid at its end, since the loss has one.

    Args:
        config: the VAE's size.
    """

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        self.layers = hidden_layers(config.expression, config.hidden, 0.01)
        self.layers.append(nn.Linear(config.hidden, 1))

    def forward(self, features: Tensor) -> Tensor:
        """Logits (B, 1) of standardised features (B, E)."""
        logits: Tensor = self.layers(features)
        return logits


def hidden_layers(inside: int, width: int, slope: float) -> nn.Sequential:
    """Three linear layers, each with batch norm and a leaky ReLU."""
    layers = nn.Sequential()
    for before, after in pairwise((inside, width, width, width)):
        layers.extend((nn.Linear(before, after), nn.BatchNorm1d(after), nn.LeakyReLU(slope)))
    return layers
