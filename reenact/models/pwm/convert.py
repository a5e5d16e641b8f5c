"""Official PWM checkpoints (`PWM_{neural_codes,geom_disp,both}.pth`) into ours."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from reenact.errors import ReenactError
from reenact.models.checkpoint import read
from reenact.models.pwm.module import DiscriminatorConfig, PWMModule
from reenact.models.pwm.network import Guidance, PWMConfig

GUIDANCE_OF_CHANNELS: dict[int, Guidance] = {2: "displacement", 16: "codes", 18: "both"}
"""Channels that modulate the decoder: 2 displacements, 16 codes, or both."""


def convert_official(path: Path, out: Path, face_model: str = "flame") -> Path:
    """Write an official checkpoint as one that `animate`, `edit` and `test` read; it holds no state of training.

    Args:
        path: `torch.save` of `{"generator", "discriminator", "global_step"}`, bare state dicts.
        out: the .ckpt to write.
        face_model: what its face parameters live in; the official ones in FLAME 2020.

    Returns:
        `out`.

    Raises:
        ReenactError: if the file is not such a checkpoint, its mesh is not the face model's, or `out` exists or
            can't be written.
    """
    if out.exists():
        raise ReenactError(f"--out {out} exists: choose another path or remove it")
    official = read(path)
    generator, discriminator = official.get("generator"), official.get("discriminator")
    if not (isinstance(generator, dict) and isinstance(discriminator, dict) and "up_layers.x1_out.weight" in generator):
        raise ReenactError(
            f"{path} is not an official PWM checkpoint: it needs the generator's and discriminator's state"
        )
    try:
        configs = _network_config(generator), _discriminator_config(discriminator)
    except (KeyError, ValueError, IndexError) as error:
        raise ReenactError(f"{path} is not an official PWM checkpoint: it lacks {error}") from error
    module = PWMModule(face_model, *configs)
    _check_mesh(generator, module, path)
    try:
        module.load_state_dict(_renamed(generator, discriminator))
    except RuntimeError as error:
        reason = str(error).splitlines()[1].strip()
        raise ReenactError(f"{path} does not fit PWM: {reason}") from error
    _write(module, int(official.get("global_step", 0)), out)
    return out


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


def _write(module: PWMModule, step: int, out: Path) -> None:
    checkpoint: dict[str, Any] = {
        "epoch": 0,
        "global_step": step,
        "pytorch-lightning_version": version("pytorch-lightning"),
        "state_dict": module.state_dict(),
        "callbacks": {},
    }
    module.on_save_checkpoint(checkpoint)
    partial = out.with_name(out.name + ".part")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            torch.save(checkpoint, file)
        partial.replace(out)
    except OSError as error:
        raise ReenactError(f"--out {out} can't be written ({error.strerror}): choose another path") from error
    finally:
        if partial.is_file():
            partial.unlink()
