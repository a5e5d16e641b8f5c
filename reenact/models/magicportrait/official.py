"""Names of the released weights, and ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from reenact.models.magicportrait.config import GuidanceConfig, MapKind, UNetConfig

GUIDANCE_FILES: dict[MapKind, str] = {
    "depth": "guidance_encoder_depth",
    "normal": "guidance_encoder_normal",
    "render": "guidance_encoder_render",
}
"""Guidance maps -> the files of their encoders."""
_TAIL = ("conv_norm_out.", "conv_out.")
"""Beginnings of the weights of a UNet that AppearanceNet has not."""
_MOTION = {
    ".temporal_transformer.": ".",
    ".attention_blocks.0.": ".attn1.",
    ".attention_blocks.1.": ".attn2.",
    ".norms.0.": ".norm1.",
    ".norms.1.": ".norm2.",
    ".ff_norm.": ".norm3.",
}
"""Parts of AnimateDiff's names -> those of diffusers."""
_UNUSED = ("guidance_attention.",)
"""Beginnings of names in a guidance encoder's file that no computation reads, beside all attentions but the last."""


def rename_motion(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename AnimateDiff's motion modules to those of diffusers; fixed codes of places are left out."""
    renamed = {}
    for name, weight in weights.items():
        if name.endswith("pos_encoder.pe"):
            continue
        for official, renamed_part in _MOTION.items():
            name = name.replace(official, renamed_part)
        renamed[name] = weight
    return renamed


def rename_guidance(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the weights of a guidance encoder; attentions that never run are left out, see `list_unused`."""
    last = f"attentions.{find_last_attention(weights)}."
    unused = list_unused(weights)
    return {name.replace(last, "mixture."): weight for name, weight in weights.items() if name not in unused}


def list_unused(weights: Mapping[str, Tensor]) -> frozenset[str]:
    """Return the names in a guidance encoder's file that no computation of the released code reads."""
    last = f"attentions.{find_last_attention(weights)}."
    return frozenset(
        name
        for name in weights
        if name.startswith(_UNUSED) or (name.startswith("attentions.") and not name.startswith(last))
    )


def find_last_attention(weights: Mapping[str, Tensor]) -> int:
    """Return the number of the attention after the last convolution, the only one that runs."""
    return max(int(name.split(".")[1]) for name in weights if name.startswith("attentions."))


def read_unet_config(weights: Mapping[str, Tensor], heads: int) -> UNetConfig:
    """Read the sizes of a UNet from the weights of `denoising_unet.pth`.

    Args:
        weights: of the file.
        heads: heads of its attentions, which no weight tells; 8 in the released files.

    Raises:
        KeyError: if a weight that tells a size is missing.
    """
    levels = 1 + max(int(name.split(".")[1]) for name in weights if name.startswith("down_blocks."))
    channels = [len(weights[f"down_blocks.{level}.resnets.0.conv1.bias"]) for level in range(levels)]
    layers = 1 + max(int(name.split(".")[3]) for name in weights if name.startswith("down_blocks.0.resnets."))
    prompts = weights["down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight"]
    return UNetConfig(
        channels=channels,
        layers=layers,
        heads=heads,
        latent=weights["conv_in.weight"].shape[1],
        prompt_width=prompts.shape[1],
    )


def read_guidance_config(weights: Mapping[str, Tensor], heads: int) -> GuidanceConfig:
    """Read the sizes of the guidance encoders from the weights of one file.

    Args:
        weights: of the file.
        heads: as of `read_unet_config`.

    Raises:
        KeyError: if a weight that tells a size is missing.
    """
    blocks = 1 + max(int(name.split(".")[1]) for name in weights if name.startswith("blocks."))
    widths = [len(weights["conv_in.bias"]), *(len(weights[f"blocks.{block}.bias"]) for block in range(1, blocks, 2))]
    return GuidanceConfig(maps=list(GUIDANCE_FILES), widths=widths, heads=heads)


def rename_release(official: Mapping[str, Mapping[str, Any]]) -> tuple[dict[str, Tensor], list[str]]:
    """Rename the weights of the released files to those of our networks.

    Args:
        official: names of the files without their endings -> their contents. `motion_module` may be missing.

    Returns:
        The weights, named `appearance.`, `denoiser.` and `guidance.`, and sentences about those that are left out.
        Motion modules that `denoising_unet` may hold are among those left out, since `motion_module` has them.
    """
    state: dict[str, Tensor] = {}
    appearance = official["reference_unet"]
    tail = [name for name in appearance if name.startswith(_TAIL)]
    state |= {f"appearance.unet.{name}": value for name, value in appearance.items() if name not in tail}
    denoiser = official["denoising_unet"]
    timed = [name for name in denoiser if ".motion_modules." in name]
    state |= {f"denoiser.unet.{name}": value for name, value in denoiser.items() if name not in timed}
    motion = official.get("motion_module", {})
    renamed = rename_motion(motion)
    state |= {f"denoiser.unet.{name}": value for name, value in renamed.items()}
    counts = [
        (len(tail), "reference_unet, layers whose results the released code does not read"),
        (len(timed), "denoising_unet, motion modules that motion_module has"),
        (len(motion) - len(renamed), "motion_module, fixed codes of the frames' places"),
    ]
    for kind, file in GUIDANCE_FILES.items():
        weights = official[file]
        state |= {f"guidance.encoders.{kind}.{name}": value for name, value in rename_guidance(weights).items()}
        counts.append((len(list_unused(weights)), f"{file}, attentions that the released code never runs"))
    return state, [f"left out: {count} weights of {text}" for count, text in counts if count]
