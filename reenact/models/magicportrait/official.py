"""Names of the released weights, and ours."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

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
        for official, ours in _MOTION.items():
            name = name.replace(official, ours)
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
