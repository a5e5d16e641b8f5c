"""FOMM at its smallest, for the common tests."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from reenact.models.common.keypoints import DiscriminatorConfig, KeypointOptimisation
from reenact.models.common.module import ReenactmentModule
from reenact.models.fomm.module import FOMMLosses, FOMMModule
from reenact.models.fomm.network import FOMMConfig


def list_toys() -> dict[str, Callable[[], ReenactmentModule]]:
    """Return a maker without and with a discriminator."""
    return {"fomm": partial(_build_toy, False), "fomm-adv": partial(_build_toy, True)}


def _build_toy(adversarial: bool) -> FOMMModule:
    return FOMMModule(
        network=FOMMConfig(
            keypoints=3, reduction=1, detector_width=4, detector_blocks=2, motion_width=4, motion_blocks=2,
            width=8, bottleneck=1,
        ),
        discriminator=DiscriminatorConfig([8, 8], adversarial),
        losses=FOMMLosses(gan=float(adversarial), perceptual="pixels"),
        optimisation=KeypointOptimisation(generator_lr=1e-2, discriminator_lr=1e-4, milestones=[50]),
    )  # fmt: skip
