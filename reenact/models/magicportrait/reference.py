"""AppearanceNet, and the bank of its features that the denoiser reads.

AppearanceNet is a UNet of Stable Diffusion. Of every spatial self-attention the bank holds what it reads: the
normalised tokens of the reference.
"""

from __future__ import annotations

from typing import Any

import torch
from diffusers.models.attention_processor import Attention, AttnProcessor2_0
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor, nn

from reenact.models.magicportrait.config import Fusion, UNetConfig

Bank = tuple[Tensor, ...]
"""Tokens (B, H * W, C) of the reference at every spatial self-attention, in the order of the modules' names."""

READ_AFTER_BANK = ("proj_out", "attn1", "attn2", "norm2", "norm3", "ff")
"""Layers of the last transformer that come after the last entry of the bank."""


class AppearanceNet(nn.Module):
    """The reference's features: latents (B, C, h, w) to a bank.

    Layers that no entry of the bank depends on are not trained.

    Args:
        config: sizes.
    """

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.unet = build_image_unet(config)
        self.unet.conv_norm_out = None
        self.unet.conv_act = None
        self.unet.conv_out = nn.Identity()
        self._writers = [BankWriter() for _ in find_self_attentions(self.unet)]
        for attention, writer in zip(find_self_attentions(self.unet), self._writers, strict=True):
            attention.set_processor(writer)
        last = self.unet.up_blocks[-1].attentions[-1]
        for name, parameter in last.named_parameters():
            if any(part in READ_AFTER_BANK for part in name.split(".")):
                parameter.requires_grad_(False)

    def forward(self, latents: Tensor, prompt: Tensor) -> Bank:
        """Run at timestep 0 and return the bank.

        Args:
            latents: (B, C, h, w) of the reference.
            prompt: (1, L, D) embedding of the prompt.
        """
        tokens = prompt.to(latents.dtype).expand(len(latents), -1, -1)
        timestep = torch.zeros(len(latents), dtype=torch.long, device=latents.device)
        self.unet(latents, timestep, tokens, return_dict=False)
        return tuple(writer.take() for writer in self._writers)


class BankWriter:
    """Attention that keeps the tokens that it reads."""

    def __init__(self) -> None:
        self._plain = AttnProcessor2_0()
        self._tokens: Tensor | None = None

    def __call__(self, attn: Attention, hidden_states: Tensor, *args: Any, **kwargs: Any) -> Tensor:  # noqa: ANN401 - diffusers'
        """Keep the tokens (B, L, C) and attend."""
        self._tokens = hidden_states
        result: Tensor = self._plain(attn, hidden_states, *args, **kwargs)
        return result

    def take(self) -> Tensor:
        """Return the tokens of the last call and forget them."""
        tokens, self._tokens = self._tokens, None
        assert tokens is not None
        return tokens


class BankReader:
    """Self-attention of a frame that also reads the reference.

    Args:
        fusion: rule by which it does.
    """

    def __init__(self, fusion: Fusion) -> None:
        self.fusion = fusion
        self.bank: Tensor | None = None
        """(B, L, C) tokens of the reference; None attends to the frame alone."""
        self._plain = AttnProcessor2_0()

    def __call__(self, attn: Attention, hidden_states: Tensor, *args: Any, **kwargs: Any) -> Tensor:  # noqa: ANN401 - diffusers'
        """Attend from the tokens (B * F, L, C) of all frames."""
        if self.bank is None:
            plain: Tensor = self._plain(attn, hidden_states, *args, **kwargs)
            return plain
        bank = self.bank.to(hidden_states.dtype)
        frames = len(hidden_states) // len(bank)
        if self.fusion == "add":
            added: Tensor = self._plain(attn, hidden_states + bank.repeat_interleave(frames, 0), *args, **kwargs)
            return added
        # The reference's keys and values are the same for all frames of a sample.
        key, value = (
            torch.cat([project(hidden_states), project(bank).repeat_interleave(frames, 0)], 1)
            for project in (attn.to_k, attn.to_v)
        )
        query, key, value = (
            tokens.view(*tokens.shape[:2], attn.heads, -1).transpose(1, 2)
            for tokens in (attn.to_q(hidden_states), key, value)
        )
        mixed = nn.functional.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        result: Tensor = attn.to_out[0](mixed)
        return result


def find_self_attentions(unet: nn.Module) -> list[Attention]:
    """Return the spatial self-attentions of a UNet by their names in order; those of time are none of them."""
    return [
        module
        for name, module in sorted(unet.named_modules())
        if name.endswith("transformer_blocks.0.attn1") and "motion_modules" not in name
    ]


def build_image_unet(config: UNetConfig) -> UNet2DConditionModel:
    """Return the UNet of Stable Diffusion at other sizes."""
    attended = len(config.channels) - 1
    return UNet2DConditionModel(
        in_channels=config.latent,
        out_channels=config.latent,
        block_out_channels=tuple(config.channels),
        down_block_types=("CrossAttnDownBlock2D",) * attended + ("DownBlock2D",),
        up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * attended,
        layers_per_block=config.layers,
        attention_head_dim=config.heads,  # diffusers' name for the number of heads in this class
        norm_num_groups=config.groups,
        cross_attention_dim=config.prompt_width,
    )
