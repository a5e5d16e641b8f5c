"""Transformer blocks that read an expression, by their layer norms (EAdaLN, eq. 5) or by attention; and their tokens.

Patch merging, attention and Mix-FFN are those of SegFormer (`mix_transformer.py`); the way in which the expression sets
scale and shift is that of DiT (`models.py`) without its gates, which the paper's formula lacks.
"""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

Conditioning = Literal["norm", "attention"]
"""Way in which a block reads an expression: scale and shift of its norms, or attention to the scaled basis vectors
(Table 4). A single vector would not do for attention, whose softmax over one key is constant."""


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
        context: width of the vectors that keys and values are made of; None for the tokens themselves.
    """

    def __init__(self, width: int, heads: int, reduction: int = 1, context: int | None = None) -> None:
        super().__init__()
        self.heads = heads
        self.reduction = reduction
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(context or width, 2 * width)
        self.out = nn.Linear(width, width)
        if reduction > 1:
            self.reduce = nn.Conv2d(width, width, reduction, reduction)
            self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor, size: tuple[int, int], context: Tensor | None = None) -> Tensor:
        """Apply it to tokens (B, N, D) of a map of a size, and vectors (B, M, K) that they attend to."""
        attended = tokens if context is None else context
        if self.reduction > 1:
            attended = self.norm(self.reduce(fold_tokens(tokens, size)).flatten(2).mT)
        keys, values = self.key_value(attended).chunk(2, -1)
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
    """

    def __init__(self, width: int, heads: int, ratio: int, reduction: int = 1) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width, eps=1e-6) for _ in range(2))
        self.attention = Attention(width, heads, reduction)
        self.feed_forward = MixFeedForward(width, ratio)

    def forward(self, tokens: Tensor, size: tuple[int, int]) -> Tensor:
        """Apply it to tokens (B, N, D) of a map of a size."""
        tokens = tokens + self.attention(self.norms[0](tokens), size)
        result: Tensor = tokens + self.feed_forward(self.norms[1](tokens), size)
        return result


class ModulatedBlock(nn.Module):
    """A `ViTBlock` whose norms have the scale and the shift that a code gives (EAdaLN).

    Args:
        width: D.
        heads: number of heads.
        ratio: see `MixFeedForward`.
        code: K.
    """

    def __init__(self, width: int, heads: int, ratio: int, code: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width, eps=1e-6, elementwise_affine=False) for _ in range(2))
        self.attention = Attention(width, heads)
        self.feed_forward = MixFeedForward(width, ratio)
        self.modulation = nn.Linear(code, 4 * width)

    def begin_plain(self) -> None:
        """Zero what reads the code, so that the block begins as a plain one."""
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(self, tokens: Tensor, size: tuple[int, int], code: Tensor) -> Tensor:
        """Apply it to tokens (B, N, D) of a map of a size, and codes (B, K)."""
        scale, shift, second_scale, second_shift = self.modulation(F.silu(code))[:, None].chunk(4, -1)
        tokens = tokens + self.attention(self.norms[0](tokens) * (1 + scale) + shift, size)
        changed = self.norms[1](tokens) * (1 + second_scale) + second_shift
        result: Tensor = tokens + self.feed_forward(changed, size)
        return result


class CrossBlock(nn.Module):
    """A `ViTBlock` whose tokens attend to the vectors of an expression between attention and Mix-FFN.

    Args:
        width: D.
        heads: number of heads.
        ratio: see `MixFeedForward`.
        code: K.
    """

    def __init__(self, width: int, heads: int, ratio: int, code: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width, eps=1e-6) for _ in range(2))
        self.attention = Attention(width, heads)
        self.feed_forward = MixFeedForward(width, ratio)
        self.cross_norm = nn.LayerNorm(width, eps=1e-6)
        self.cross = Attention(width, heads, context=code)

    def begin_plain(self) -> None:
        """Zero what the vectors add, so that the block begins as a plain one."""
        nn.init.zeros_(self.cross.out.weight)
        nn.init.zeros_(self.cross.out.bias)

    def forward(self, tokens: Tensor, size: tuple[int, int], code: Tensor) -> Tensor:
        """Apply it to tokens (B, N, D) of a map of a size, and vectors (B, M, K)."""
        tokens = tokens + self.attention(self.norms[0](tokens), size)
        tokens = tokens + self.cross(self.cross_norm(tokens), size, code)
        result: Tensor = tokens + self.feed_forward(self.norms[1](tokens), size)
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
