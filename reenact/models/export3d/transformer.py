"""Transformer blocks whose layer norms an expression sets (EAdaLN, eq. 5), and the tokens that they read.

Patch merging, attention and Mix-FFN are those of SegFormer (`mix_transformer.py`); the way in which the expression sets
scale and shift is that of DiT (`models.py`) without its gates, which the paper's formula lacks.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class PatchMerge(nn.Module):
    """Overlapping patches of a map as tokens: (B, C, H, W) to (B, H / 2 * W / 2, D).

    Args:
        inside: C.
        width: D.
    """

    def __init__(self, inside: int, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inside, width, 3, 2, 1)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        """Apply it."""
        tokens: Tensor = self.norm(self.conv(x).flatten(2).mT)
        return tokens


class Attention(nn.Module):
    """Attention among tokens, whose keys and values may be fewer.

    Args:
        width: D.
        heads: number of heads.
        reduction: factor by which keys and values are fewer along either side of the map.
    """

    def __init__(self, width: int, heads: int, reduction: int = 1) -> None:
        super().__init__()
        self.heads = heads
        self.reduction = reduction
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        if reduction > 1:
            self.reduce = nn.Conv2d(width, width, reduction, reduction)
            self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor, size: tuple[int, int]) -> Tensor:
        """Apply it to tokens (B, N, D) of a map of a size."""
        reduced = tokens
        if self.reduction > 1:
            reduced = self.norm(self.reduce(fold_tokens(tokens, size)).flatten(2).mT)
        keys, values = self.key_value(reduced).chunk(2, -1)
        parts = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (self.query(tokens), keys, values))
        mixed: Tensor = self.out(F.scaled_dot_product_attention(*parts).transpose(1, 2).flatten(2))
        return mixed


class MixFeedForward(nn.Module):
    """Two layers with a depthwise convolution between them, which tells tokens where they are.

    Args:
        width: D.
        ratio: width of the hidden layer in D.
    """

    def __init__(self, width: int, ratio: int) -> None:
        super().__init__()
        self.first = nn.Linear(width, ratio * width)
        self.conv = nn.Conv2d(ratio * width, ratio * width, 3, padding=1, groups=ratio * width)
        self.second = nn.Linear(ratio * width, width)

    def forward(self, tokens: Tensor, size: tuple[int, int]) -> Tensor:
        """Apply it to tokens (B, N, D) of a map of a size."""
        hidden = self.conv(fold_tokens(self.first(tokens), size)).flatten(2).mT
        out: Tensor = self.second(F.gelu(hidden))
        return out


class ViTBlock(nn.Module):
    """Attention and Mix-FFN, each with a skip and a layer norm before it.

    Args:
        width: D.
        heads: number of heads.
        ratio: see `MixFeedForward`.
        reduction: see `Attention`.
        code: length of the code that sets scale and shift of the norms; 0 for norms with weights of their own. The
            layer that reads the code begins with zeros, so that the block begins as a plain one.
    """

    def __init__(self, width: int, heads: int, ratio: int, reduction: int = 1, code: int = 0) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width, eps=1e-6, elementwise_affine=not code) for _ in range(2))
        self.attention = Attention(width, heads, reduction)
        self.feed_forward = MixFeedForward(width, ratio)
        self.modulation = nn.Linear(code, 4 * width) if code else None

    def reset_modulation(self) -> None:
        """Begin as a plain block."""
        if self.modulation is not None:
            nn.init.zeros_(self.modulation.weight)
            nn.init.zeros_(self.modulation.bias)

    def forward(self, tokens: Tensor, size: tuple[int, int], code: Tensor | None = None) -> Tensor:
        """Apply it.

        Args:
            tokens: (B, N, D) of a map of a size.
            size: height and width of the map.
            code: (B, K), for a block that reads one.
        """
        changes: tuple[Tensor | None, ...] = (None,) * 4
        if self.modulation is not None:
            assert code is not None
            changes = self.modulation(F.silu(code))[:, None].chunk(4, -1)
        first, second = (self.norms[0](tokens), changes[:2]), changes[2:]
        tokens = tokens + self.attention(_modulate(*first), size)
        result: Tensor = tokens + self.feed_forward(_modulate(self.norms[1](tokens), second), size)
        return result


def fold_tokens(tokens: Tensor, size: tuple[int, int]) -> Tensor:
    """Tokens (B, N, D) as a map (B, D, H, W)."""
    folded: Tensor = tokens.mT.reshape(len(tokens), -1, *size)
    return folded


def initialise_layers(module: nn.Module) -> None:
    """Draw weights as SegFormer does, for `nn.Module.apply`."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
    elif isinstance(module, nn.Conv2d):
        outputs = module.out_channels // module.groups * module.kernel_size[0] * module.kernel_size[1]
        nn.init.normal_(module.weight, std=(2 / outputs) ** 0.5)
    else:
        return
    if module.bias is not None:
        nn.init.zeros_(module.bias)


def _modulate(tokens: Tensor, change: tuple[Tensor | None, ...]) -> Tensor:
    """Normalised tokens with the scale, of which 1 is taken off, and the shift of a change."""
    scale, shift = change
    return tokens if scale is None or shift is None else tokens * (1 + scale) + shift
