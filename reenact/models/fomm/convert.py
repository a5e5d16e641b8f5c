"""Official FOMM checkpoints (`vox-cpk.pth.tar`, `vox-adv-cpk.pth.tar`) into ours; sizes are read off the weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from reenact.models.fomm.module import FOMMLosses, FOMMModule
from reenact.models.fomm.network import FOMMConfig
from reenact.models.keypoint_training import DiscriminatorConfig
from reenact.nn.resample import AntiAliasDown

TITLE = "FOMM (vox-cpk.pth.tar, vox-adv-cpk.pth.tar)"
PARTS = {"kp_detector": "network.detector.", "generator": "network.generator.", "discriminator": "discriminator."}
"""Where the file's modules go."""
LOW_PASS = ("down.weight", "dense_motion_network.down.weight")
"""Constant kernels, which our checkpoints don't hold."""
REDUCTIONS = {AntiAliasDown(factor).kernel.numel(): factor for factor in (1, 2, 4, 8)}
"""Length of a low-pass kernel -> the reduction that it is of."""


def recognises(official: Mapping[str, Any]) -> bool:
    """Whether it holds `kp_detector` and `generator` with FOMM's heads for Jacobians and flow."""
    detector, generator = official.get("kp_detector"), official.get("generator")
    return (
        isinstance(detector, dict)
        and isinstance(generator, dict)
        and "jacobian.weight" in detector
        and "dense_motion_network.mask.weight" in generator
    )


def build(official: Mapping[str, Any], path: Path, face_model: str) -> tuple[FOMMModule, dict[str, Tensor]]:
    """See `reenact.models.convert.Converter`; no face model is involved."""
    detector, generator = official["kp_detector"], official["generator"]
    # Files made smaller for sharing may lack the discriminator: ours is then a new one, which only training reads.
    discriminator = official.get("discriminator", {})
    config = _discriminator_config(discriminator) if discriminator else DiscriminatorConfig()
    losses = FOMMLosses(gan=float(config.keypoints))
    module = FOMMModule(_network_config(detector, generator), config, losses)
    state = {} if discriminator else {k: v for k, v in module.state_dict().items() if k.startswith("discriminator.")}
    for part, prefix in PARTS.items():
        weights = official.get(part, {})
        state |= {prefix + name: value for name, value in weights.items() if name not in LOW_PASS}
    return module, state


def _network_config(detector: Mapping[str, Tensor], generator: Mapping[str, Tensor]) -> FOMMConfig:
    inside = "dense_motion_network.hourglass"
    found, moved = (
        _channels(detector, "predictor.encoder.down_blocks"),
        _channels(generator, f"{inside}.encoder.down_blocks"),
    )
    levels = _channels(generator, "down_blocks")
    kernel = detector.get("down.weight")
    return FOMMConfig(
        keypoints=len(detector["kp.weight"]),
        reduction=1 if kernel is None else REDUCTIONS[kernel.shape[-1]],
        detector_width=_channels(detector, "predictor.decoder.up_blocks")[-1],
        detector_largest=max(found),
        detector_blocks=len(found),
        motion_width=_channels(generator, f"{inside}.decoder.up_blocks")[-1],
        motion_largest=max(moved),
        motion_blocks=len(moved),
        width=len(generator["first.conv.weight"]),
        halvings=len(levels),
        largest=max(levels),
        bottleneck=sum(name.startswith("bottleneck.") and name.endswith("conv1.weight") for name in generator),
    )


def _discriminator_config(state: Mapping[str, Tensor]) -> DiscriminatorConfig:
    return DiscriminatorConfig(
        _channels(state, "discs.1.down_blocks"), keypoints="discs.1.down_blocks.0.conv.weight" in state
    )


def _channels(state: Mapping[str, Tensor], blocks: str) -> list[int]:
    """Output channels of numbered blocks."""
    channels: list[int] = []
    while (bias := state.get(f"{blocks}.{len(channels)}.conv.bias")) is not None:
        channels.append(len(bias))
    if not channels:
        raise KeyError(blocks)
    return channels
