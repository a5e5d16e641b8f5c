"""Encoders of guidance maps to the size of the latents."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import torch
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

    def draw_attention(self, maps: dict[str, Tensor]) -> dict[str, Tensor]:
        """Draw the attention that the places of maps (..., 3, H, W) receive, as `draw_shares` does.

        Encoders without self-attention have none.
        """
        return {
            f"{kind}_attention": draw_shares(encoder.measure_attention(maps[kind].flatten(0, -4)), maps[kind])
            for kind, encoder in self.encoders.items()
            if isinstance(encoder, GuidanceEncoder) and isinstance(encoder.mixture, Transformer2DModel)
        }


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
        features = self._convolve(image)
        if isinstance(self.mixture, Transformer2DModel):
            features = self.mixture(features, return_dict=False)[0]
        else:
            features = self.mixture(features)
        result: Tensor = self.conv_out(features)
        return result

    @torch.no_grad()
    def measure_attention(self, image: Tensor) -> Tensor:
        """Measure the share (N, h, w) of all attention that each place of maps (N, 3, H, W) receives.

        It is the mean of the attention's weights over heads and over the places that attend.
        """
        assert isinstance(self.mixture, Transformer2DModel)
        attention = self.mixture.transformer_blocks[0].attn1
        read: list[Tensor] = []
        handle = attention.to_q.register_forward_pre_hook(lambda _, inputs: read.append(inputs[0]))
        features = self._convolve(image)
        self.mixture(features)
        handle.remove()
        queries, keys = (attention.head_to_batch_dim(project(read[0])) for project in (attention.to_q, attention.to_k))
        # One head of one map at a time: the weights of all take half a gibibyte a map at 512 pixels.
        received = [
            attention.get_attention_scores(query[None], key[None]).mean(1)
            for query, key in zip(queries, keys, strict=True)
        ]
        return torch.cat(received).view(len(image), -1, *features.shape[-2:]).mean(1)

    def _convolve(self, image: Tensor) -> Tensor:
        """Return the features (N, C, h, w) before self-attention."""
        features: Tensor = nn.functional.silu(self.conv_in(image))
        for block in self.blocks:
            features = nn.functional.silu(block(features))
        return features


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


def draw_shares(shares: Tensor, image: Tensor) -> Tensor:
    """Draw shares (N, h, w) of places as a grey picture of the shape of another (..., 3, H, W), the largest as 1."""
    bright = shares[:, None] / shares.amax((1, 2))[:, None, None, None]
    drawn = nn.functional.interpolate(bright, image.shape[-2:], mode="bilinear")
    return drawn.expand(-1, 3, -1, -1).reshape(image.shape)
