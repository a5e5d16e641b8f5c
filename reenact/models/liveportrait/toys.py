"""LivePortrait at its smallest, for the common tests."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import nn

from reenact.models.common.keypoints import DiscriminatorConfig
from reenact.models.common.module import ReenactmentModule
from reenact.models.liveportrait.config import LivePortraitConfig
from reenact.models.liveportrait.first_stage import LivePortraitLosses
from reenact.models.liveportrait.module import LivePortraitModule, TrainedPart
from reenact.models.liveportrait.optimisation import LivePortraitOptimisation
from reenact.models.liveportrait.second_stage import RetargetingLosses
from reenact.nn.conv import SpectralConv2d

ITERATIONS = 20
"""Power iterations that a fresh decoder's spectral norms begin with."""


def list_toys() -> dict[str, Callable[[], ReenactmentModule]]:
    """Return the makers of a module of each stage."""
    return {"liveportrait": _build_toy, "liveportrait_retargeting": partial(_build_toy, "retargeting")}


def _build_toy(stage: TrainedPart = "portrait") -> LivePortraitModule:
    lr = 1e-2 if stage == "portrait" else 1e-3
    module = LivePortraitModule(
        network=LivePortraitConfig(
            motion_width=4, motion_blocks=1, compress=2, width=8, channels=4, depth=2, blocks=1,
            depths=[1, 1], widths=[8, 16], decoder_width=8, spade_hidden=4,
        ),
        discriminator=DiscriminatorConfig([8]),
        losses=LivePortraitLosses(
            perceptual="pixels", head_pose=0.0, deformation=0.1, feature_matching=0.0, guide=0.001,
        ),
        optimisation=LivePortraitOptimisation(generator_lr=lr, discriminator_lr=1e-4, milestones=[50]),
        stage=stage,
        retargeting=RetargetingLosses(landmarks="probe", shoulder_gap=0.0),
    )  # fmt: skip
    # Fresh spectral norms are far too small: each iteration brings them nearer, and results out of saturation.
    for part in module.network.decoder.train().modules():
        if isinstance(part, SpectralConv2d) and not part.weight_orig.is_meta:
            for _ in range(ITERATIONS):
                part.weight()
    # Fresh networks of the openings move nothing.
    for name, weight in module.network.stitching.named_parameters():
        if name.startswith(("eyes", "lips")):
            nn.init.normal_(weight, std=0.1)
    return module.train()
