"""Official LivePortrait weights into ours: five files of KwaiVGI/LivePortrait, as `.pth` or `.safetensors`."""

from __future__ import annotations

from collections.abc import Mapping
from math import isqrt
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from reenact.errors import ReenactError
from reenact.faces.portrait import Portrait
from reenact.models.common import forward_check
from reenact.models.common.keypoints import count_channels, rename_hourglass
from reenact.models.common.module import ReenactmentModule
from reenact.models.common.official_settings import Setting, square_image
from reenact.models.liveportrait.config import LivePortraitConfig
from reenact.models.liveportrait.module import LivePortraitModule
from reenact.models.liveportrait.network import LivePortrait

TITLE = "LivePortrait (the five files of its folders base_models and retargeting_models)"
PARTS = {
    "appearance_feature_extractor": "appearance",
    "motion_extractor": "motion_extractor",
    "warping_module": "warping",
    "spade_generator": "decoder",
}
"""Files of one state dictionary -> networks of ours."""
STITCHING = "stitching_retargeting_module"
STITCHING_PARTS = {"retarget_shoulder": "stitching", "retarget_eye": "eyes", "retarget_mouth": "lips"}
"""Entries of the fifth file -> networks of ours."""
EXTRACTOR_PREFIX = "detector."
"""Beginning of all names in the file of the motion extractor."""
SIZE = "input_shape"
"""Setting of the official inference code."""


def _list_paths(name: str, folder: str) -> tuple[str, ...]:
    files = (f"{name}.pth", f"{name}.safetensors")
    return tuple(f"{place}{file}" for place in (f"{folder}/", "", f"liveportrait/{folder}/") for file in files)


FILES = {
    **{name: _list_paths(name, "base_models") for name in PARTS},
    STITCHING: _list_paths(STITCHING, "retargeting_models"),
}
RELEASED = {
    "model_params.appearance_feature_extractor_params.block_expansion": (64,),
    "model_params.appearance_feature_extractor_params.num_down_blocks": (2,),
    "model_params.appearance_feature_extractor_params.reshape_channel": (32,),
    "model_params.appearance_feature_extractor_params.reshape_depth": (16,),
    "model_params.appearance_feature_extractor_params.num_resblocks": (6,),
    "model_params.motion_extractor_params.num_kp": (21,),
    "model_params.warping_module_params.dense_motion_params.block_expansion": (32,),
    "model_params.warping_module_params.dense_motion_params.num_blocks": (5,),
    "model_params.warping_module_params.dense_motion_params.compress": (4,),
    "model_params.spade_generator_params.upscale": (2,),
    "model_params.spade_generator_params.out_channels": (64,),
}
"""Sizes of `src/config/models.yaml`."""


def recognises(official: Mapping[str, Any]) -> bool:
    """Return True if every file holds the weights that its name says."""
    first_weights = {
        "appearance_feature_extractor": "first.conv.weight",
        "motion_extractor": f"{EXTRACTOR_PREFIX}fc_kp.weight",
        "warping_module": "dense_motion_network.mask.weight",
        "spade_generator": "G_middle_0.conv_0.weight_orig",
    }
    whole = all(name in official[part] for part, name in first_weights.items())
    return whole and all(_read_entry(official[STITCHING], entry) for entry in STITCHING_PARTS)


def read_sizes(official: Mapping[str, Any]) -> dict[str, object]:
    """Return what the weights tell of the official configuration."""
    config = _network_config(official, None)
    sizes = (
        *(config.width, config.halvings, config.channels, config.depth, config.blocks, config.keypoints),
        *(config.motion_width, config.motion_blocks, config.compress, config.upscale, config.decoder_width),
    )
    return dict(zip(RELEASED, sizes, strict=True))


def list_settings(official: Mapping[str, Any]) -> tuple[Setting, ...]:
    """Return what the weights don't tell: the size of the pictures that the networks read."""
    return (square_image(SIZE, [256, 256]),)


def build_portrait(module: ReenactmentModule) -> Portrait:
    """Return a picture with landmarks for a check."""
    assert isinstance(module.network, LivePortrait)
    portrait = forward_check.build_portrait(module.network.config.stride)
    side = portrait.image.shape[-1]
    portrait.landmarks = torch.linspace(0, side, 136).view(1, 68, 2)
    return portrait


def build(
    official: Mapping[str, Any], path: Path, face_model: str, values: Mapping[str, Any]
) -> tuple[LivePortraitModule, dict[str, Tensor]]:
    """Build the method at the files' sizes; return it and the files' weights by our names.

    Raises:
        ReenactError: if the files are of the animals' release.
    """
    if "animal" in path.resolve().name.lower():
        raise ReenactError(
            f"{path} holds LivePortrait's weights for animals, whose faces no landmarks of this package follow: give"
            " the folder liveportrait with the weights for people"
        )
    config = _network_config(official, values[SIZE][0])
    module = LivePortraitModule(config)
    module.recipe = {"crop": "liveportrait"}
    assert config.side is not None
    module.image_size = config.side
    # The release has no discriminators: training goes on with new ones.
    state = {f"discriminator.{name}": value for name, value in module.discriminator.state_dict().items()}
    for part in FILES:
        state |= {f"network.{name}": value for name, value in rename_part(part, official[part]).items()}
    return module, state


def rename_part(part: str, content: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the weights of one official file by the names of `LivePortrait`."""
    if part == STITCHING:
        return {
            f"stitching.{network}.{name}": value
            for entry, network in STITCHING_PARTS.items()
            for name, value in _read_entry(content, entry).items()
        }
    state = rename_hourglass(content)
    return {f"{PARTS[part]}.{name.removeprefix(EXTRACTOR_PREFIX)}": value for name, value in state.items()}


def _read_entry(content: Mapping[str, Any], entry: str) -> dict[str, Tensor]:
    """Return the weights of a network of the fifth file, nested or in flat names, without `module.`."""
    nested = content.get(entry)
    if not isinstance(nested, Mapping):
        prefix = f"{entry}_module."
        nested = {name.removeprefix(prefix): value for name, value in content.items() if name.startswith(prefix)}
    return {name.replace("module.", ""): value for name, value in nested.items()}


def _network_config(official: Mapping[str, Any], input_side: int | None) -> LivePortraitConfig:
    appearance, extractor, warping, decoder = (official[part] for part in PARTS)
    widths = count_channels(appearance, "down_blocks.{}")
    motion = "dense_motion_network.hourglass"
    motion_widths = count_channels(warping, motion + ".encoder.down_blocks.{}")
    channels = len(appearance["resblocks_3d.3dr0.conv1.weight"])
    last = decoder["conv_img.0.weight"] if "conv_img.0.weight" in decoder else decoder["conv_img.weight"]
    upscale = isqrt(len(last) // 3)
    return LivePortraitConfig(
        keypoints=len(extractor[f"{EXTRACTOR_PREFIX}fc_kp.bias"]) // 3,
        depths=_count_blocks(extractor),
        widths=[len(extractor[f"{EXTRACTOR_PREFIX}stages.{stage}.0.norm.weight"]) for stage in _list_stages(extractor)],
        motion_width=count_channels(warping, motion + ".decoder.up_blocks.{}")[-1],
        motion_largest=max(motion_widths),
        motion_blocks=len(motion_widths),
        compress=len(warping["dense_motion_network.compress.weight"]),
        width=len(appearance["first.conv.weight"]),
        largest=max(widths),
        halvings=len(widths),
        channels=channels,
        depth=len(appearance["second.weight"]) // channels,
        blocks=sum(name.startswith("resblocks_3d.") and name.endswith("conv1.weight") for name in appearance),
        decoder_width=last.shape[1],
        spade_hidden=len(decoder["G_middle_0.norm_0.mlp_shared.0.weight"]),
        upscale=upscale,
        side=None if input_side is None else input_side * upscale,
    )


def _list_stages(extractor: Mapping[str, Tensor]) -> range:
    stages = 0
    while f"{EXTRACTOR_PREFIX}stages.{stages}.0.norm.weight" in extractor:
        stages += 1
    return range(stages)


def _count_blocks(extractor: Mapping[str, Tensor]) -> list[int]:
    """Return the number of blocks of each stage."""
    suffix = ".grn.gamma"
    blocks = [name for name in extractor if name.endswith(suffix)]
    stages = [f"{EXTRACTOR_PREFIX}stages.{stage}." for stage in _list_stages(extractor)]
    return [sum(name.startswith(stage) for name in blocks) for stage in stages]
