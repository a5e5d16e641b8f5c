"""The released MagicPortrait weights into ours: six files, and the folder of Stable Diffusion 1.5 for the prompt."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from reenact.errors import ReenactError
from reenact.faces.portrait import Portrait
from reenact.models.common import forward_check
from reenact.models.common.checkpoint_file import first_line
from reenact.models.common.module import ReenactmentModule
from reenact.models.common.official_settings import Setting
from reenact.models.magicportrait.config import MagicPortraitConfig
from reenact.models.magicportrait.module import MagicPortraitModule
from reenact.models.magicportrait.network import MagicPortrait
from reenact.models.magicportrait.official import (
    GUIDANCE_FILES,
    read_guidance_config,
    read_unet_config,
    rename_release,
)
from reenact.models.magicportrait.training import MagicPortraitOptimisation

LOG = logging.getLogger("reenact")
TITLE = "MagicPortrait (the six files of mengtingwei/MagicPortrait)"
BASE = "Stable Diffusion 1.5"
PROMPT = "A close up of a person."
"""The prompt of the released code, for all pictures."""
HEADS = Setting("attention_head_dim", 8, implied=True, allows=lambda value: type(value) is int and value > 0)


def _list_paths(name: str) -> tuple[str, ...]:
    return tuple(f"{folder}{name}{end}" for folder in ("", "pretrained_models/") for end in (".pth", ".safetensors"))


FILES = {
    "reference_unet": _list_paths("reference_unet"),
    "denoising_unet": _list_paths("denoising_unet"),
    "motion_module": (*_list_paths("motion_module-47360"), *_list_paths("motion_module")),
    **{file: _list_paths(file) for file in GUIDANCE_FILES.values()},
}
RELEASED = {
    "block_out_channels": ([320, 640, 1280, 1280],),
    "layers_per_block": (2,),
    "cross_attention_dim": (768,),
    "guidance_encoder_kwargs.block_out_channels": ([16, 32, 96, 256],),
}


def recognises(official: Mapping[str, Any]) -> bool:
    """Return True if the files hold a UNet, motion modules and guidance encoders."""
    parts = {"reference_unet": "conv_in.weight", "denoising_unet": "conv_out.weight"}
    parts |= dict.fromkeys(GUIDANCE_FILES.values(), "conv_out.weight")
    timed = any(".temporal_transformer." in name for name in official["motion_module"])
    return timed and all(name in official[part] for part, name in parts.items())


def read_sizes(official: Mapping[str, Any]) -> dict[str, object]:
    """Return what the weights tell of the official configuration."""
    unet = read_unet_config(official["denoising_unet"], HEADS.released)
    guidance = read_guidance_config(official[GUIDANCE_FILES["depth"]], HEADS.released)
    return dict(zip(RELEASED, (unet.channels, unet.layers, unet.prompt_width, guidance.widths), strict=True))


def list_settings(official: Mapping[str, Any]) -> tuple[Setting, ...]:
    """Return what the weights don't tell."""
    return (HEADS,)


def build_portrait(module: ReenactmentModule) -> Portrait:
    """Return the mean face, which looks into the camera, on a picture for a check."""
    network = module.network
    assert isinstance(network, MagicPortrait)
    params = network.face_model.neutral()
    if network.needs.texture:
        mean, count = network.face_model.appearance_prior()[0], network.face_model.num_texture
        params.texture, params.light = mean[None, :count], mean[count:].view(1, 9, 3)
    return forward_check.build_portrait(network.config.stride, params)


VERSIONS = {768: "Stable Diffusion 1", 1024: "Stable Diffusion 2"}
"""Width of the text encoder -> whose it is."""


def read_base(base: Path) -> Mapping[str, Any]:
    """Return the embedding of the prompt by the text encoder of the folder.

    Raises:
        ReenactError: if the folder is of Stable Diffusion XL, if it lacks the text encoder or the tokenizer, or if
            transformers is not installed.
    """
    if (base / "text_encoder_2").is_dir():
        raise ReenactError(f"--base {base} is a folder of Stable Diffusion XL: give the folder of {BASE}")
    for folder in ("tokenizer", "text_encoder"):
        if not (base / folder).is_dir():
            raise ReenactError(f"--base {base} lacks the folder {folder}: give the folder of {BASE}")
    from transformers import CLIPTextModel, CLIPTokenizer

    try:
        tokenizer = CLIPTokenizer.from_pretrained(base / "tokenizer", local_files_only=True)
        encoder = CLIPTextModel.from_pretrained(base / "text_encoder", local_files_only=True).eval()
        length = encoder.config.max_position_embeddings
        tokens = tokenizer(PROMPT, padding="max_length", max_length=length, truncation=True, return_tensors="pt")
        with torch.no_grad():
            return {"prompt": encoder(tokens.input_ids).last_hidden_state}
    except (OSError, ValueError, RuntimeError) as error:
        raise ReenactError(f"--base {base} can't be read as {BASE} ({first_line(error)}): get it again") from error


def build(
    official: Mapping[str, Any], path: Path, face_model: str, values: Mapping[str, Any]
) -> tuple[MagicPortraitModule, dict[str, Tensor]]:
    """Build the method at the files' sizes; return it and the weights by our names.

    Raises:
        ReenactError: if the prompt of the base folder is of another length than the weights read.
    """
    heads, prompt = values[HEADS.name], official["base"]["prompt"]
    unet = read_unet_config(official["denoising_unet"], heads)
    if prompt.shape[-1] != unet.prompt_width:
        version = VERSIONS.get(prompt.shape[-1], "another model")
        raise ReenactError(
            f"--base is a folder of {version}, whose text encoder has the width {prompt.shape[-1]}, and {path} reads"
            f" {unet.prompt_width}: give the folder of {BASE}"
        )
    config = MagicPortraitConfig(
        prompt_tokens=prompt.shape[1],
        unet=unet,
        guidance=read_guidance_config(official[GUIDANCE_FILES["depth"]], heads),
    )
    module = MagicPortraitModule(face_model, config, optimisation=MagicPortraitOptimisation(trained="temporal"))
    module.image_size = 512
    module.recipe = {"crop": "magicportrait"}
    state, report = rename_release(official)
    for line in report:
        LOG.warning(line)
    codes = {name: value for name, value in module.state_dict().items() if name.endswith("pos_embed.pe")}
    return module, {**codes, **{f"network.{name}": value for name, value in state.items()}, "network.prompt": prompt}
