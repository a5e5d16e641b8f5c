"""PWM at its smallest, for the common tests."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import get_args

from reenact.models.common.module import ReenactmentModule
from reenact.models.pwm.module import DiscriminatorConfig, PWMLosses, PWMModule, PWMOptimisation
from reenact.models.pwm.network import Guidance, PWMConfig

GUIDANCES: tuple[Guidance, ...] = get_args(Guidance)


def list_toys() -> dict[str, Callable[[], ReenactmentModule]]:
    """Return a maker for each kind of guidance."""
    return {f"pwm-{guidance}": partial(_build_toy, guidance) for guidance in GUIDANCES}


def _build_toy(guidance: Guidance) -> PWMModule:
    return PWMModule(
        face_model="head",
        network=PWMConfig(guidance=guidance, widths=[8, 8, 12, 16], code_channels=4),
        discriminator=DiscriminatorConfig([8, 8]),
        losses=PWMLosses(perceptual="pixels"),
        optimisation=PWMOptimisation(generator_lr=5e-3, discriminator_lr=1e-4, milestones=[50]),
    )
