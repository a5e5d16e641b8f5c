"""Official FOMM checkpoints (`vox-cpk.pth.tar`, `vox-adv-cpk.pth.tar`) into ours; sizes are read off the weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from reenact.faces.portrait import Portrait
from reenact.models.common import forward_check
from reenact.models.common.keypoints import (
    count_channels,
    discriminator_config,
    discriminator_state,
    read_reduction,
)
from reenact.models.common.module import ReenactmentModule
from reenact.models.common.official_settings import Setting, square_image
from reenact.models.fomm.generator import TEMPERATURE, VARIANCE
from reenact.models.fomm.module import FOMMLosses, FOMMModule
from reenact.models.fomm.network import FOMM, LARGEST_PADDING, FOMMConfig

TITLE = "FOMM (vox-cpk.pth.tar, vox-adv-cpk.pth.tar)"
PARTS = {"kp_detector": "network.detector.", "generator": "network.generator."}
"""Modules of the file -> prefixes of their weights in ours."""
LOW_PASS = ("down.weight", "dense_motion_network.down.weight")
"""Constant kernels, which our checkpoints don't hold."""

PADDING = "model_params.kp_detector_params.pad"
SIZE = "dataset_params.frame_shape"
GENERATOR = "model_params.generator_params"
SETTINGS = (
    Setting("model_params.kp_detector_params.temperature", TEMPERATURE),
    Setting(PADDING, 0, implied=True, allows=lambda value: type(value) is int and 0 <= value <= LARGEST_PADDING),
    Setting(f"{GENERATOR}.dense_motion_params.kp_variance", VARIANCE, implied=True),
    Setting("model_params.discriminator_params.kp_variance", VARIANCE, implied=True),
    square_image(SIZE, [256, 256, 3]),
)
RELEASED = {
    "model_params.common_params.num_kp": (10,),
    "model_params.kp_detector_params.block_expansion": (32,),
    "model_params.kp_detector_params.num_blocks": (5,),
    "model_params.kp_detector_params.scale_factor": (0.25,),
    f"{GENERATOR}.block_expansion": (64,),
    f"{GENERATOR}.num_down_blocks": (2,),
    f"{GENERATOR}.num_bottleneck_blocks": (6,),
    f"{GENERATOR}.dense_motion_params.block_expansion": (64,),
    f"{GENERATOR}.dense_motion_params.num_blocks": (5,),
    f"{GENERATOR}.dense_motion_params.scale_factor": (0.25,),
}
"""Sizes of `vox-256.yaml` and `vox-adv-256.yaml`."""


def recognises(official: Mapping[str, Any]) -> bool:
    """Return True if the file holds `kp_detector` and `generator` with FOMM's heads for Jacobians and flow."""
    detector, generator = official.get("kp_detector"), official.get("generator")
    return (
        isinstance(detector, dict)
        and isinstance(generator, dict)
        and "he_estimator" not in official
        and "jacobian.weight" in detector
        and "dense_motion_network.mask.weight" in generator
    )


def read_sizes(official: Mapping[str, Any]) -> dict[str, object]:
    """Return what the weights tell of the official configuration."""
    config = _network_config(official["kp_detector"], official["generator"], 0)
    sizes = (
        *(config.keypoints, config.detector_width, config.detector_blocks, 1 / config.reduction),
        *(config.width, config.halvings, config.bottleneck),
        *(config.motion_width, config.motion_blocks, 1 / config.reduction_of_motion),
    )
    return dict(zip(RELEASED, sizes, strict=True))


def list_settings(official: Mapping[str, Any]) -> tuple[Setting, ...]:
    """Return what the weights don't tell."""
    return SETTINGS


def build_portrait(module: ReenactmentModule) -> Portrait:
    """Return a picture for a check."""
    assert isinstance(module.network, FOMM)
    return forward_check.build_portrait(module.network.config.stride)


def build(
    official: Mapping[str, Any], path: Path, face_model: str, values: Mapping[str, Any]
) -> tuple[FOMMModule, dict[str, Tensor]]:
    """Build the method at the file's sizes; return it and the file's weights by our names."""
    detector, generator = official["kp_detector"], official["generator"]
    config = discriminator_config(official)
    losses = FOMMLosses(gan=float(config.keypoints))
    module = FOMMModule(_network_config(detector, generator, values[PADDING]), config, losses)
    module.recipe = {"crop": "fomm"}
    module.image_size = values[SIZE][0]
    state = discriminator_state(official, module.discriminator)
    for part, prefix in PARTS.items():
        state |= {prefix + name: value for name, value in official[part].items() if name not in LOW_PASS}
    return module, state


def _network_config(detector: Mapping[str, Tensor], generator: Mapping[str, Tensor], padding: int) -> FOMMConfig:
    inside = "dense_motion_network.hourglass"
    detector_widths, motion_widths = (
        count_channels(detector, "predictor.encoder.down_blocks.{}"),
        count_channels(generator, inside + ".encoder.down_blocks.{}"),
    )
    generator_widths = count_channels(generator, "down_blocks.{}")
    return FOMMConfig(
        keypoints=len(detector["kp.weight"]),
        reduction=read_reduction(detector),
        motion_reduction=read_reduction(generator, "dense_motion_network.down.weight"),
        detector_width=count_channels(detector, "predictor.decoder.up_blocks.{}")[-1],
        detector_largest=max(detector_widths),
        detector_blocks=len(detector_widths),
        detector_padding=padding,
        motion_width=count_channels(generator, inside + ".decoder.up_blocks.{}")[-1],
        motion_largest=max(motion_widths),
        motion_blocks=len(motion_widths),
        width=len(generator["first.conv.weight"]),
        halvings=len(generator_widths),
        largest=max(generator_widths),
        bottleneck=sum(name.startswith("bottleneck.") and name.endswith("conv1.weight") for name in generator),
    )
