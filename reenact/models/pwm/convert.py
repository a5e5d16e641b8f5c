"""Official PWM checkpoints (`PWM_{neural_codes,geom_disp,both}.pth`) into ours."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from reenact.errors import ReenactError
from reenact.models.pwm.module import DiscriminatorConfig, PWMModule
from reenact.models.pwm.network import Guidance, PWMConfig

TITLE = "PWM (PWM_*.pth)"
GUIDANCE_OF_CHANNELS: dict[int, Guidance] = {2: "displacement", 16: "codes", 18: "both"}
"""Channels that modulate the decoder: 2 displacements, 16 codes, or both."""


def recognises(official: Mapping[str, Any]) -> bool:
    """Whether it holds `torch.save` of `{"generator", "discriminator", "global_step"}`, bare state dicts of PWM."""
    generator, discriminator = official.get("generator"), official.get("discriminator")
    return isinstance(generator, dict) and isinstance(discriminator, dict) and "up_layers.x1_out.weight" in generator


def build(official: Mapping[str, Any], path: Path, face_model: str) -> tuple[PWMModule, dict[str, Tensor]]:
    """See `reenact.models.convert.Converter`."""
    generator, discriminator = official["generator"], official["discriminator"]
    module = PWMModule(face_model, _network_config(generator), _discriminator_config(discriminator))
    module.recipe = {"crop": "pwm", "parameters": "deca", "regressor": "deca"}  # `fit_image.py` of the released code
    _check_mesh(generator, module, path)
    return module, _renamed(generator, discriminator)


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
    ours = module.network.face_model
    triangles = state.get("mesh_renderer.tri")
    if triangles is not None and not torch.equal(triangles.long(), ours.faces.cpu()):
        raise ReenactError(f"{path} was trained on another mesh than {ours.name}: give FLAME's file as the face model")
    codes = state.get("embeds")
    if codes is not None and len(codes) != len(ours.mean_vertices):
        raise ReenactError(
            f"{path} has codes for {len(codes)} vertices and {ours.name} has {len(ours.mean_vertices)}: give FLAME's"
            " file as the face model"
        )


def _renamed(generator: Mapping[str, Tensor], discriminator: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Our names; low-pass kernels are constants, the coarsest shortcut is read by no forward pass."""
    strides = [int(key.split(".")[1][1:]) for key in generator if key.startswith("down_layers.")]
    skipped = ("mesh_renderer.", "downsamples.", f"shortcut_layers.x{max(strides)}.")
    state = {}
    for key, value in generator.items():
        if not key.startswith(skipped):
            state[f"network.{key}" if key == "embeds" else f"network.generator.{key}"] = value
    state |= {f"discriminator.{key}": value for key, value in discriminator.items() if not key.startswith("downs.")}
    return state
