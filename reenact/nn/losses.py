"""Adversarial and feature losses that two or more methods use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch.nn.functional as F
from torch import Tensor

GanKind = Literal["ls", "hinge"]
"""Least squares (Mao et al. 2017) or hinge (Lim and Ye 2017)."""


def generator_gan(fake: Tensor, kind: GanKind) -> Tensor:
    """Compute the generator's loss from the logits of its images: `mean (1 - D)^2` or `-mean D`."""
    return (1 - fake).square().mean() if kind == "ls" else -fake.mean()


def discriminator_gan(real: Tensor, fake: Tensor, kind: GanKind) -> Tensor:
    """Compute the discriminator's loss: `mean (1 - real)^2 + fake^2` or `mean relu(1 - real) + relu(1 + fake)`."""
    if kind == "ls":
        return (1 - real).square().mean() + fake.square().mean()
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


def feature_matching(real: Sequence[Tensor], fake: Sequence[Tensor]) -> Tensor:
    """Sum over layers of the mean absolute difference; the real features give no gradient."""
    terms = [F.l1_loss(fake_layer, real_layer.detach()) for real_layer, fake_layer in zip(real, fake, strict=True)]
    return sum(terms[1:], start=terms[0])
