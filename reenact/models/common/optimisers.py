"""Adam for all trainings, with moments of 32 bits or of 8."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch

from reenact.errors import ReenactError
from reenact.install import install_hint


def build_adam(
    groups: Iterable[dict[str, Any]],
    lr: float,
    betas: tuple[float, float],
    *,
    eight_bit: bool = False,
    decoupled: bool = False,
) -> torch.optim.Optimizer:
    """Return Adam, or AdamW where the weights decay apart from the gradient.

    Args:
        groups: parameter groups.
        lr: learning rate of those that have none of their own.
        betas: decays of the two moments.
        eight_bit: True for moments of 8 bits.
        decoupled: True for AdamW.

    Raises:
        ReenactError: as `load_eight_bit`.
    """
    if eight_bit:
        library = load_eight_bit()
        build = library.AdamW8bit if decoupled else library.Adam8bit
    else:
        build = torch.optim.AdamW if decoupled else torch.optim.Adam
    optimizer: torch.optim.Optimizer = build(groups, lr=lr, betas=betas)
    return optimizer


def load_eight_bit() -> Any:  # noqa: ANN401 - a module of a package without types
    """Return the optimisers whose moments have 8 bits.

    Raises:
        ReenactError: if their package is not installed.
    """
    try:
        from bitsandbytes import optim
    except ImportError as error:
        raise ReenactError(
            f"--model.optimisation.eight_bit true needs the package bitsandbytes: {install_hint('adam8bit')}"
        ) from error
    return optim
