"""Official PWM checkpoints (`PWM_{neural_codes,geom_disp,both}.pth`) into ours."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from reenact.errors import ReenactError
from reenact.faces.portrait import Portrait
from reenact.models.common import forward_check
from reenact.models.common.module import ReenactmentModule
from reenact.models.common.official_settings import Setting, square_image
from reenact.models.pwm.module import DiscriminatorConfig, PWMModule
from reenact.models.pwm.network import PWM, Guidance, PWMConfig

TITLE = "PWM (PWM_*.pth)"
GUIDANCE_OF_CHANNELS: dict[int, Guidance] = {2: "displacement", 16: "codes", 18: "both"}
"""Channels that modulate the decoder: 2 displacements, 16 codes, or both."""

OFFICIAL_GUIDANCE = {"displacement": "geom_disp", "codes": "neural_codes", "both": "both"}
SIZE = "TRAIN.IMG_SIZE"
SETTINGS = (
    Setting("MODEL.USE_ALPHA_BLEND", False),
    Setting("MODEL.OCCLUSION_AWARE", False, implied=True),
    square_image(SIZE, [256, 256]),
)
RELEASED = {
    "MODEL.NUM_LEVELS": (6,),
    "channels at full size": (32,),
    "MODEL.GUIDANCE": tuple(OFFICIAL_GUIDANCE.values()),
}
"""Sizes of `config.py`, which gives channels by a ratio with a lower bound."""


def recognises(official: Mapping[str, Any]) -> bool:
    """Return True if the file holds state dicts `generator` and `discriminator` of PWM's training code."""
    generator, discriminator = official.get("generator"), official.get("discriminator")
    return isinstance(generator, dict) and isinstance(discriminator, dict) and "up_layers.x1_out.weight" in generator


def read_sizes(official: Mapping[str, Any]) -> dict[str, object]:
    """Return what the weights tell of the official configuration."""
    config = _network_config(official["generator"])
    sizes = len(config.widths), config.widths[0], OFFICIAL_GUIDANCE[config.guidance]
    return dict(zip(RELEASED, sizes, strict=True))


def list_settings(official: Mapping[str, Any]) -> tuple[Setting, ...]:
    """Return what the weights don't tell."""
    return SETTINGS


def build_portrait(module: ReenactmentModule) -> Portrait:
    """Return the mean face, which looks into the camera, on a picture for a check."""
    assert isinstance(module.network, PWM)
    return forward_check.build_portrait(module.network.generator.strides[-1], module.network.face_model.neutral())


def build(
    official: Mapping[str, Any], path: Path, face_model: str, values: Mapping[str, Any]
) -> tuple[PWMModule, dict[str, Tensor]]:
    """Build the method at the file's sizes; return it and the file's weights by our names."""
    generator, discriminator = official["generator"], official["discriminator"]
    module = PWMModule(face_model, _network_config(generator), _discriminator_config(discriminator))
    module.recipe = {"crop": "pwm", "parameters": "deca", "regressor": "deca"}  # `fit_image.py` of the released code
    module.image_size = values[SIZE][0]
    _check_mesh(generator, module, path)
    return module, _rename_weights(generator, discriminator)


def _network_config(state: Mapping[str, Tensor]) -> PWMConfig:
    strides = [key.split(".")[1] for key in state if key.startswith("down_layers.") and key.endswith(".conv.bias")]
    widths = [len(state[f"down_layers.{stride}.conv.bias"]) for stride in sorted(strides, key=lambda x: int(x[1:]))]
    hidden = state[f"up_layers.x{2 ** (len(widths) - 1)}_spade.spade1.shared_conv.0.weight_orig"]
    guidance = GUIDANCE_OF_CHANNELS.get(hidden.shape[1])
    if guidance is None:
        raise ReenactError(f"A PWM generator is modulated by 2, 16 or 18 channels, not {hidden.shape[1]}")
    return PWMConfig(guidance=guidance, widths=widths)


def _discriminator_config(state: Mapping[str, Tensor]) -> DiscriminatorConfig:
    biases = [key for key in state if key.startswith("discs.x1.layers.") and key.endswith(".conv.bias")]
    return DiscriminatorConfig([len(state[key]) for key in biases])


def _check_mesh(state: Mapping[str, Tensor], module: PWMModule, path: Path) -> None:
    """The official file carries FLAME's topology; another order of vertices would wear the wrong codes."""
    face_model = module.network.face_model
    triangles = state.get("mesh_renderer.tri")
    if triangles is not None and not torch.equal(triangles.long(), face_model.faces.cpu()):
        raise ReenactError(
            f"{path} was trained on another mesh than {face_model.name}: give FLAME's file as the face model"
        )
    codes = state.get("embeds")
    if codes is not None and len(codes) != len(face_model.mean_vertices):
        raise ReenactError(
            f"{path} has codes for {len(codes)} vertices and {face_model.name} has {len(face_model.mean_vertices)}:"
            " give FLAME's file as the face model"
        )


def _rename_weights(generator: Mapping[str, Tensor], discriminator: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Our names; low-pass kernels are constants, the coarsest shortcut is read by no forward pass."""
    strides = [int(key.split(".")[1][1:]) for key in generator if key.startswith("down_layers.")]
    skipped = ("mesh_renderer.", "downsamples.", f"shortcut_layers.x{max(strides)}.")
    state = {}
    for key, value in generator.items():
        if not key.startswith(skipped):
            state[f"network.{key}" if key == "embeds" else f"network.generator.{key}"] = value
    state |= {f"discriminator.{key}": value for key, value in discriminator.items() if not key.startswith("downs.")}
    return state
