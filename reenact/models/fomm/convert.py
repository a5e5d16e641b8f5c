"""Official FOMM checkpoints (`vox-cpk.pth.tar`, `vox-adv-cpk.pth.tar`) into ours; sizes are read off the weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from reenact.models.fomm.module import FOMMLosses, FOMMModule
from reenact.models.fomm.network import FOMMConfig
from reenact.models.keypoint_files import channels, discriminator_config, discriminator_state, reduction

TITLE = "FOMM (vox-cpk.pth.tar, vox-adv-cpk.pth.tar)"
PARTS = {"kp_detector": "network.detector.", "generator": "network.generator."}
"""Where the file's modules go."""
LOW_PASS = ("down.weight", "dense_motion_network.down.weight")
"""Constant kernels, which our checkpoints don't hold."""


def recognises(official: Mapping[str, Any]) -> bool:
    """Whether it holds `kp_detector` and `generator` with FOMM's heads for Jacobians and flow."""
    detector, generator = official.get("kp_detector"), official.get("generator")
    return (
        isinstance(detector, dict)
        and isinstance(generator, dict)
        and "he_estimator" not in official
        and "jacobian.weight" in detector
        and "dense_motion_network.mask.weight" in generator
    )


def build(official: Mapping[str, Any], path: Path, face_model: str) -> tuple[FOMMModule, dict[str, Tensor]]:
    """See `reenact.models.convert.Converter`; no face model is involved."""
    detector, generator = official["kp_detector"], official["generator"]
    config = discriminator_config(official)
    losses = FOMMLosses(gan=float(config.keypoints))
    module = FOMMModule(_network_config(detector, generator), config, losses)
    module.recipe = {"crop": "fomm"}
    state = discriminator_state(official, module)
    for part, prefix in PARTS.items():
        state |= {prefix + name: value for name, value in official[part].items() if name not in LOW_PASS}
    return module, state


def _network_config(detector: Mapping[str, Tensor], generator: Mapping[str, Tensor]) -> FOMMConfig:
    inside = "dense_motion_network.hourglass"
    found, moved = (
        channels(detector, "predictor.encoder.down_blocks.{}"),
        channels(generator, inside + ".encoder.down_blocks.{}"),
    )
    levels = channels(generator, "down_blocks.{}")
    return FOMMConfig(
        keypoints=len(detector["kp.weight"]),
        reduction=reduction(detector),
        motion_reduction=reduction(generator, "dense_motion_network.down.weight"),
        detector_width=channels(detector, "predictor.decoder.up_blocks.{}")[-1],
        detector_largest=max(found),
        detector_blocks=len(found),
        motion_width=channels(generator, inside + ".decoder.up_blocks.{}")[-1],
        motion_largest=max(moved),
        motion_blocks=len(moved),
        width=len(generator["first.conv.weight"]),
        halvings=len(levels),
        largest=max(levels),
        bottleneck=sum(name.startswith("bottleneck.") and name.endswith("conv1.weight") for name in generator),
    )
