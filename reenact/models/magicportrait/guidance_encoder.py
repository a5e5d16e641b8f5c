"""Encoders of guidance maps to the size of the latents."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from diffusers.models.transformers.transformer_2d import Transformer2DModel
from torch import Tensor, nn

from reenact.models.magicportrait.clip_encoder import ClipEncoder, load_clip
from reenact.models.magicportrait.config import GuidanceConfig
from reenact.nn.frozen import Frozen

if TYPE_CHECKING:
    from transformers import CLIPVisionModel


class GuidanceEncoders(nn.Module):
    """One encoder for each map, whose features are summed.

    Args:
        config: maps and sizes.
        out: channels of the features.
    """

    def __init__(self, config: GuidanceConfig, out: int) -> None:
        super().__init__()
        self.clip: Frozen[CLIPVisionModel] | None = Frozen(load_clip) if config.encoder == "clip" else None
        self.encoders = nn.ModuleDict(
            {
                kind: GuidanceEncoder(config, out)
                if config.encoder == "convolutions"
                else ClipEncoder(config, out, self.clip)
                for kind in config.maps
            }
        )

    def forward(self, maps: dict[str, Tensor]) -> Tensor:
        """Encode maps (N, 3, H, W) in [0, 1] to (N, C, h, w)."""
        features: list[Tensor] = [encoder(maps[kind]) for kind, encoder in self.encoders.items()]
        return sum(features[1:], features[0])


class GuidanceEncoder(nn.Module):
    """Convolutions with a self-attention at the end; a fresh one gives zeros.

    Args:
        config: sizes.
        out: channels of the features.
    """

    def __init__(self, config: GuidanceConfig, out: int) -> None:
        super().__init__()
        widths = config.widths
        self.conv_in = nn.Conv2d(3, widths[0], 3, 1, 1)
        self.blocks = nn.ModuleList()
        for before, after in pairwise(widths):
            self.blocks.append(nn.Conv2d(before, before, 3, 1, 1))
            self.blocks.append(nn.Conv2d(before, after, 3, 2, 1))
        self.mixture = build_attention(config) if config.attention else build_convolutions(widths[-1])
        self.conv_out = nn.Conv2d(widths[-1], out, 3, 1, 1)
        nn.init.zeros_(self.conv_out.weight)
        assert self.conv_out.bias is not None
        nn.init.zeros_(self.conv_out.bias)

    def forward(self, image: Tensor) -> Tensor:
        """Encode (N, 3, H, W) in [0, 1]."""
        features = nn.functional.silu(self.conv_in(image))
        for block in self.blocks:
            features = nn.functional.silu(block(features))
        if isinstance(self.mixture, Transformer2DModel):
            features = self.mixture(features, return_dict=False)[0]
        else:
            features = self.mixture(features)
        result: Tensor = self.conv_out(features)
        return result


def build_attention(config: GuidanceConfig) -> Transformer2DModel:
    """Return the self-attention over all places of one frame."""
    width = config.widths[-1]
    return Transformer2DModel(
        num_attention_heads=config.heads,
        attention_head_dim=width // config.heads,
        in_channels=width,
        norm_num_groups=config.groups,
    )


def build_convolutions(width: int) -> nn.Sequential:
    """Return the convolutions in place of the self-attention."""
    return nn.Sequential(nn.Conv2d(width, width, 3, 1, 1), nn.SiLU(), nn.Conv2d(width, width, 3, 1, 1), nn.SiLU())
