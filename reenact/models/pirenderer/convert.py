"""Official PIRenderer checkpoints (`epoch_00190_iteration_000400000_checkpoint.pt`) into ours; the averaged weights."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from reenact.errors import ReenactError
from reenact.faces.portrait import Portrait
from reenact.models.common import forward_check
from reenact.models.common.module import ReenactmentModule
from reenact.models.common.official_settings import Setting
from reenact.models.pirenderer.module import PIRendererModule
from reenact.models.pirenderer.network import PIRenderer, PIRendererConfig

LOG = logging.getLogger("reenact")
TITLE = "PIRenderer (epoch_*_iteration_*_checkpoint.pt)"
AVERAGED = "net_G_ema"
"""Part of the file that holds the averaged weights, which the released inference uses."""
UNREAD = re.compile(r"editing_net\.decoder\.res\d+\.res\d+\.(conv1|norm1)\.")
"""Weights whose results the released residual block discards."""
RADIUS = "data.semantic_radius"
SIZE = "data.resolution"
SETTINGS = (
    Setting(RADIUS, 13, implied=True, allows=lambda value: type(value) is int and 1 <= value <= 1000),
    Setting(SIZE, 256, implied=True, allows=lambda value: type(value) is int and 32 <= value <= 8192),
    Setting("gen.param.common.use_spect", False, implied=True),
)
RELEASED = {
    "gen.param.mapping_net.coeff_nc": (73,),
    "gen.param.mapping_net.descriptor_nc": (256,),
    "gen.param.mapping_net.layer": (3,),
    "gen.param.warpping_net.base_nc": (32,),
    "gen.param.warpping_net.encoder_layer": (5,),
    "gen.param.warpping_net.decoder_layer": (3,),
    "gen.param.editing_net.base_nc": (64,),
    "gen.param.editing_net.layer": (3,),
    "gen.param.editing_net.num_res_blocks": (2,),
    "gen.param.common.max_nc": (256,),
}
"""Sizes of `config/face.yaml`."""


def recognises(official: Mapping[str, Any]) -> bool:
    """Return True if the file holds averaged weights of PIRenderer's three networks."""
    weights = official.get(AVERAGED)
    parts = ("mapping_net.first.0.weight", "warpping_net.flow_out.2.weight")
    return isinstance(weights, dict) and all(name in weights for name in parts)


def read_sizes(official: Mapping[str, Any]) -> dict[str, object]:
    """Return what the weights tell of the official configuration."""
    weights = official[AVERAGED]
    config = _read_config(weights, SETTINGS[0].released)
    sizes = (
        *(weights["mapping_net.first.0.weight"].shape[1], config.code, config.mapping_layers),
        *(config.warping_width, config.warping_halvings, config.warping_doublings),
        *(config.editing_width, config.editing_halvings, config.residual_blocks, config.largest),
    )
    return dict(zip(RELEASED, sizes, strict=True))


def list_settings(official: Mapping[str, Any]) -> tuple[Setting, ...]:
    """Return what the weights don't tell."""
    return SETTINGS


def build_portrait(module: ReenactmentModule) -> Portrait:
    """Return the mean face, which looks into the camera, on a picture for a check."""
    assert isinstance(module.network, PIRenderer)
    return forward_check.build_portrait(2 * module.network.stride, module.network.face_model.neutral())


def build(
    official: Mapping[str, Any], path: Path, face_model: str, values: Mapping[str, Any]
) -> tuple[PIRendererModule, dict[str, Tensor]]:
    """Build the method at the file's sizes; return it and the file's averaged weights by our names."""
    weights = official[AVERAGED]
    module = PIRendererModule(face_model, _read_config(weights, values[RADIUS]))
    length, count = len(module.network.vector), weights["mapping_net.first.0.weight"].shape[1]
    if count != length:
        raise ReenactError(
            f"{path} reads {count} coefficients of a frame and {module.network.face_model.name} has {length}: give"
            " --face-model bfm, which it was trained with"
        )
    module.recipe = {"crop": "fomm", "parameters": "deep3d", "regressor": "deep3d"}
    module.image_size = values[SIZE]
    unread = {name for name in weights if UNREAD.match(name)}
    if unread:
        LOG.warning("left out: %d weights of the released residual blocks, whose results they discard", len(unread))
    state = {f"network.{name}": value for name, value in weights.items() if name not in unread}
    # The released layer norm holds its weights as (C, 1, 1).
    return module, {name: value.flatten() if value.shape[1:] == (1, 1) else value for name, value in state.items()}


def _read_config(weights: Mapping[str, Tensor], window: int) -> PIRendererConfig:
    """Sizes of the weights; the largest width is what the coarsest levels have."""
    encoder, decoder = "warpping_net.hourglass.encoder.encoder{}", "warpping_net.hourglass.decoder.decoder{}"
    first, editing = weights["warpping_net.hourglass.encoder.input_layer.bias"], "editing_net.encoder"
    halvings, editing_halvings = _count(weights, encoder), _count(weights, editing + ".down{}")
    coarsest = len(weights[encoder.format(halvings - 1) + ".conv_1.bias"])
    coarsest_edited = len(weights[f"{editing}.down{editing_halvings - 1}.model.0.bias"])
    return PIRendererConfig(
        window=window,
        code=len(weights["mapping_net.first.0.bias"]),
        mapping_layers=_count(weights, "mapping_net.encoder{}"),
        warping_width=len(first),
        warping_halvings=halvings,
        warping_doublings=_count(weights, decoder, halvings - 1, -1),
        editing_width=len(weights[f"{editing}.first.model.0.bias"]),
        editing_halvings=editing_halvings,
        residual_blocks=_count(weights, "editing_net.decoder.res0.res{}"),
        largest=max(coarsest, coarsest_edited),
    )


def _count(weights: Mapping[str, Tensor], pattern: str, start: int = 0, step: int = 1) -> int:
    """Number of parts of a numbered name, from one on in one direction.

    Raises:
        KeyError: if there is none.
    """
    count = 0
    while any(name.startswith(pattern.format(start + step * count) + ".") for name in weights):
        count += 1
    if not count:
        raise KeyError(pattern.format(start))
    return count
