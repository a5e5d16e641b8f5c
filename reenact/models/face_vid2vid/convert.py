"""Official Face-vid2vid checkpoints into ours: those of zhanglonghao1992's reimplementation; NVIDIA released none."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from torch import Tensor

from reenact.errors import ReenactError
from reenact.faces.portrait import Portrait
from reenact.models.common import forward_check
from reenact.models.common.keypoints import (
    count_channels,
    discriminator_config,
    discriminator_state,
    read_reduction,
    rename_hourglass,
)
from reenact.models.common.module import ReenactmentModule
from reenact.models.common.official_settings import Setting, square_image
from reenact.models.face_vid2vid.module import FaceVid2VidModule
from reenact.models.face_vid2vid.network import FaceVid2Vid, FaceVid2VidConfig
from reenact.nn.euler import Composition
from reenact.nn.volume import TEMPERATURE

TITLE = "Face-vid2vid (*.pth.tar of One-Shot_Free-View_Neural_Talking_Head_Synthesis)"
PARTS = {"kp_detector": "network.detector.", "he_estimator": "network.estimator.", "generator": "network.generator."}
"""Modules of the file -> prefixes of their weights in ours."""
LOW_PASS = "down.weight"
"""A constant kernel, which our checkpoints don't hold."""

COMPOSITION = "rotation"
"""A name of ours: the order of rotations is a matter of the code's version, not of its configuration."""
SIZE = "dataset_params.frame_shape"
DETECTOR = "model_params.kp_detector_params"
GENERATOR = "model_params.generator_params"
RELEASED = {
    "model_params.common_params.num_kp": (15,),
    f"{DETECTOR}.block_expansion": (32,),
    f"{DETECTOR}.num_blocks": (5,),
    f"{DETECTOR}.scale_factor": (0.25, 1.0),
    f"{GENERATOR}.block_expansion": (64,),
    f"{GENERATOR}.num_down_blocks": (2,),
    f"{GENERATOR}.reshape_channel": (32,),
    f"{GENERATOR}.reshape_depth": (16,),
    f"{GENERATOR}.num_resblocks": (6,),
    f"{GENERATOR}.dense_motion_params.block_expansion": (32,),
    f"{GENERATOR}.dense_motion_params.num_blocks": (5,),
    f"{GENERATOR}.dense_motion_params.compress": (4,),
}
"""Sizes of `vox-256.yaml` and `vox-256-beta.yaml`."""


def recognises(official: Mapping[str, Any]) -> bool:
    """Return True if the file holds `kp_detector`, `he_estimator` and `generator`."""
    return all(isinstance(official.get(part), dict) for part in PARTS)


def read_sizes(official: Mapping[str, Any]) -> dict[str, object]:
    """Return what the weights tell of the official configuration."""
    detector, estimator, generator = (official[part] for part in PARTS)
    config = _network_config(detector, estimator, generator, "pitch-yaw-roll")
    sizes = (
        *(config.keypoints, config.detector_width, config.detector_blocks, 1 / config.reduction),
        *(config.width, config.halvings, config.channels, config.depth, config.blocks),
        *(config.motion_width, config.motion_blocks, config.compress),
    )
    return dict(zip(RELEASED, sizes, strict=True))


def list_settings(official: Mapping[str, Any]) -> tuple[Setting, ...]:
    """Return what the weights don't tell.

    The released detector that reads images at full size is of the first release, which composed rotations otherwise.
    """
    composition = "pitch-yaw-roll" if LOW_PASS in official["kp_detector"] else "roll-pitch-yaw"
    return (
        Setting(f"{DETECTOR}.temperature", TEMPERATURE),
        Setting(COMPOSITION, composition, allows=lambda value: value in get_args(Composition)),
        square_image(SIZE, [256, 256, 3]),
    )


def build_portrait(module: ReenactmentModule) -> Portrait:
    """Return a picture for a check."""
    assert isinstance(module.network, FaceVid2Vid)
    return forward_check.build_portrait(module.network.config.stride)


def build(
    official: Mapping[str, Any], path: Path, face_model: str, values: Mapping[str, Any]
) -> tuple[FaceVid2VidModule, dict[str, Tensor]]:
    """Build the method at the file's sizes; return it and the file's weights by our names."""
    detector, estimator, generator = (official[part] for part in PARTS)
    if "jacobian.weight" in detector:
        raise ReenactError(
            f"{path} is of a Face-vid2vid that estimates Jacobians of its keypoints, which no released configuration "
            "does and which is not supported: give a file trained with estimate_jacobian: False"
        )
    network = _network_config(detector, estimator, generator, values[COMPOSITION])
    module = FaceVid2VidModule(network, discriminator_config(official))
    module.recipe = {"crop": "fomm"}
    module.image_size = values[SIZE][0]
    state = discriminator_state(official, module.discriminator)
    for part, prefix in PARTS.items():
        state |= {prefix + name: value for name, value in rename_weights(official[part]).items()}
    return module, state


def rename_weights(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a module by our names."""
    return rename_hourglass({name: value for name, value in state.items() if name != LOW_PASS})


def _network_config(
    detector: Mapping[str, Tensor],
    estimator: Mapping[str, Tensor],
    generator: Mapping[str, Tensor],
    composition: Composition,
) -> FaceVid2VidConfig:
    detector_widths = count_channels(detector, "predictor.down_blocks.down{}")
    generator_widths = count_channels(generator, "down_blocks.{}")
    motion = "dense_motion_network.hourglass"
    motion_widths = count_channels(generator, motion + ".encoder.down_blocks.{}")
    spade = "decoder.fc.weight" in generator
    volume = len(generator["resblocks_3d.3dr0.conv1.weight"])
    return FaceVid2VidConfig(
        keypoints=len(detector["kp.weight"]),
        reduction=read_reduction(detector),
        detector_width=count_channels(detector, "predictor.up_blocks.up{}")[-1],
        detector_largest=max(detector_widths),
        detector_blocks=len(detector_widths),
        motion_width=count_channels(generator, motion + ".decoder.up_blocks.{}")[-1],
        motion_largest=max(motion_widths),
        motion_blocks=len(motion_widths),
        compress=len(generator["dense_motion_network.compress.weight"]),
        width=len(generator["first.conv.weight"]),
        largest=max(generator_widths),
        halvings=len(generator_widths),
        channels=volume,
        depth=len(generator["second.weight"]) // volume,
        blocks=sum(name.startswith("resblocks_3d.") and name.endswith("conv1.weight") for name in generator),
        decoder="spade" if spade else "original",
        spade_hidden=len(generator["decoder.G_middle_0.norm_0.mlp_shared.0.weight"]) if spade else 128,
        stem=len(estimator["conv1.weight"]),
        composition=composition,
        estimator_widths=[len(estimator[f"conv{number}.weight"]) for number in range(2, 6)],
    )
