"""PIRenderer at its smallest, for the common tests."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from reenact.models.common.module import ReenactmentModule
from reenact.models.pirenderer.module import PIRendererLosses, PIRendererModule, PIRendererOptimisation
from reenact.models.pirenderer.network import PIRendererConfig


def list_toys() -> dict[str, Callable[[], ReenactmentModule]]:
    """Return makers of both ways through a pair, with windows and a stage of warps, and of one way without.

    The second reads frames alone and has the options that the released code lacks.
    """
    return {
        "pirenderer": partial(_build_toy, warp_steps=1, both_directions=True),
        "pirenderer-one-way": partial(_build_toy, warp_steps=0, both_directions=False, alone=True),
    }


def _build_toy(*, warp_steps: int, both_directions: bool, alone: bool = False) -> PIRendererModule:
    return PIRendererModule(
        face_model="head",
        network=PIRendererConfig(
            code=16, warping_width=8, warping_halvings=3, warping_doublings=2, editing_width=8, editing_halvings=2,
            residual_blocks=1, largest=16, initial_std=None, window=0 if alone else 13, standardise=alone,
            source_coefficients=alone, coordinates=alone, residual_editing=alone,
        ),
        losses=PIRendererLosses(
            perceptual="pixels", style=1.0, pixel=1.0, both_directions=both_directions
        ),
        optimisation=PIRendererOptimisation(lr=5e-3, average=0.5, warp_steps=warp_steps),
    )  # fmt: skip
