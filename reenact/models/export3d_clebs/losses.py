"""Contrast of each expression of a clip with the pictures of all of its frames (eq. 1)."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

ContrastForm = Literal["infonce", "printed"]
"""InfoNCE, whose denominator has all pictures, or eq. (1) as printed, whose denominator lacks the expression's own."""


def compare_codes(expressions: Tensor, pictures: Tensor) -> Tensor:
    """Cosines (B, T, T) in float32: rows are expressions (B, T, d), columns pictures (B, T, d) of the same clip."""
    return F.normalize(expressions.float(), dim=-1) @ F.normalize(pictures.float(), dim=-1).mT


def compute_contrast(cosines: Tensor, temperature: float, form: ContrastForm) -> Tensor:
    """Mean contrast over all expressions, each with its own picture as the positive and the others as negatives.

    Args:
        cosines: (B, T, T) of `compare_codes`.
        temperature: divisor of the cosines.
        form: `infonce`, at least 0, or `printed`, which has no least value.
    """
    logits = cosines / temperature
    positive = logits.diagonal(dim1=-2, dim2=-1)
    if form == "printed":
        itself = torch.eye(logits.shape[-1], dtype=torch.bool, device=logits.device)
        logits = logits.masked_fill(itself, -torch.inf)
    return (logits.logsumexp(-1) - positive).mean()


def count_matches(cosines: Tensor) -> Tensor:
    """Share of the expressions to which their own picture is the most similar of the clip."""
    places = torch.arange(cosines.shape[-1], device=cosines.device)
    return (cosines.argmax(-1) == places).float().mean()
