"""BFM flow at its smallest, for the common tests."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from reenact.models.bfm_flow.config import BFMFlowConfig
from reenact.models.bfm_flow.module import BFMFlowLosses, BFMFlowModule, BFMFlowOptimisation
from reenact.models.common.module import ReenactmentModule


def list_toys() -> dict[str, Callable[[], ReenactmentModule]]:
    """Return makers of the whole method, and of its base with windows."""
    return {
        "bfm_flow": partial(_build_toy, guided=True, window=0),
        "bfm_flow-base": partial(_build_toy, guided=False, window=13),
    }


def _build_toy(*, guided: bool, window: int) -> BFMFlowModule:
    return BFMFlowModule(
        face_model="head",
        network=BFMFlowConfig(
            flow=guided, occlusion=guided, render=guided, window=window, code=16, motion_width=8, motion_largest=16,
            motion_halvings=3, motion_doublings=2, width=8, largest=16, halvings=2, blocks=1, hidden=8,
            initial_std=None,
        ),
        losses=BFMFlowLosses(perceptual="pixels", style=1.0, pixel=1.0, both_directions=not guided),
        optimisation=BFMFlowOptimisation(lr=5e-3),
    )  # fmt: skip
