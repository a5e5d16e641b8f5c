"""The hybrid generator of tri-planes (section 3.3), the average that it learns online, and super-resolution.

The paper's diagram of the layers is not available: the text gives the sizes 32 x 32 x 256, 256 tokens of 1024 and the
kinds of layers; the rest is that of Live3DPortrait's re-implementations at half the resolution.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reenact.models.export3d.scaled import SLOPE, build_filter
from reenact.models.export3d.transformer import (
    Conditioning,
    CrossBlock,
    ModulatedBlock,
    PatchMerge,
    ViTBlock,
    fold_tokens,
    initialise_layers,
)
from reenact.nn.whole_batch import mean_over_processes

GRID = 16
"""Side of the maps that are made of a code."""


@dataclass(frozen=True, kw_only=True)
class GeneratorConfig:
    """Sizes of the generator of tri-planes."""

    stem: list[int] = field(default_factory=lambda: [64, 128, 256, 256])
    """Channels of the first convolutions, at full size, a half, a quarter and an eighth."""
    tokens: int = 1024
    """Width of tokens."""
    heads: int = 4
    """Heads of attention."""
    blocks: int = 5
    """Blocks that read the expression."""
    ratio: int = 2
    """Width of the hidden layer of a block, in widths of tokens."""
    low: int = 128
    """Channels of the map that the tokens become, at half the image's size."""
    code: int = 256
    """Length of the expression's code."""
    conditioning: Conditioning = "norm"
    """Way in which the blocks read it."""
    channels: int = 32
    """Channels of each plane."""
    details: int = 0
    """Channels of a branch that carries the picture to the planes at half its size, as Live3DPortrait has one; the
    paper's text has none."""
    expression_maps: int = 0
    """Channels of maps that a layer makes of the code for the planes: an expression reaches its place in them without
    passing the tokens, which is the same in all sources where they are unposed. Not part of the paper."""
    plane_scale: int = 1
    """Side of the planes in halves of the picture's; the paper's are half as large as the picture."""


class TriplaneGenerator(nn.Module):
    """Tri-plane of a source picture with an expression.

    Convention: the top of the picture is y up, and row 0 of a plane has its least coordinate, so that the maps, which
    lie as the picture does, are flipped.

    Args:
        config: sizes.
    """

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        first, *rest = config.stem
        self.stem = nn.Sequential(nn.Conv2d(3, first, 7, padding=3), nn.LeakyReLU(SLOPE))
        for before, after in pairwise((first, *rest)):
            self.stem.extend((nn.Conv2d(before, after, 3, 2, 1), nn.LeakyReLU(SLOPE)))
        self.stem.extend((nn.Conv2d(rest[-1], rest[-1], 3, padding=1), nn.LeakyReLU(SLOPE)))
        self.merge = PatchMerge(rest[-1], config.tokens)
        sizes = config.tokens, config.heads, config.ratio
        block_type = ModulatedBlock if config.conditioning == "norm" else CrossBlock
        self.blocks = nn.ModuleList(block_type(*sizes, config.code) for _ in range(config.blocks))
        low = config.low
        self.widen = nn.ModuleList((_convolve(config.tokens // 4, low), _convolve(low, low)))
        self.branch = _build_branch(config.details) if config.details else None
        self.low_merge = PatchMerge(low, config.tokens)
        self.low_block = ViTBlock(*sizes, reduction=2)
        self.maps = ExpressionMaps(config.code, config.expression_maps) if config.expression_maps else None
        inside = config.tokens // 4 + low + config.details + config.expression_maps
        self.last = nn.Sequential(_convolve(inside, 2 * low), _convolve(2 * low, low))
        self.last.append(nn.Conv2d(low, 3 * config.channels * config.plane_scale**2, 3, padding=1))
        self.last.append(nn.PixelShuffle(config.plane_scale))
        self.apply(initialise_layers)
        for block in self.blocks:
            block.begin_plain()  # type: ignore[operator]

    def encode(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens (B, N, D) and details (B, C, H / 2, W / 2) of pictures (B, 3, H, W): all before the expression."""
        details = image[:, :0, ::2, ::2] if self.branch is None else self.branch(image)
        return self.merge(self.stem(image)), details

    def decode(self, tokens: Tensor, details: Tensor, code: Tensor) -> Tensor:
        """Tri-planes (B, 3, C, P, P) of tokens and expressions.

        Args:
            tokens: (B, N, D) of `encode`.
            details: (B, C, H / 2, W / 2) of `encode`.
            code: (B, K), for blocks with attention to it (B, M, K).
        """
        height, width = details.shape[-2:]
        coarse = height // 8, width // 8
        for block in self.blocks:
            tokens = block(tokens, coarse, code)
        x = shuffle_tokens(tokens, coarse)
        for conv in self.widen:
            x = conv(F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False))
        fine = height // 2, width // 2
        mixed = shuffle_tokens(self.low_block(self.low_merge(x), fine), fine)
        parts = [x, mixed, details]
        if self.maps is not None:
            whole = code if code.dim() == 2 else code.sum(1)  # of the scaled vectors that attention reads
            parts.append(self.maps(whole, (height, width)))
        planes: Tensor = self.last(torch.cat(parts, 1)).flip(-2)
        return planes.view(len(planes), 3, -1, *planes.shape[-2:])

    def forward(self, image: Tensor, code: Tensor) -> Tensor:
        """Tri-planes (B, 3, C, P, P) of pictures (B, 3, H, W) and expressions as of `decode`."""
        return self.decode(*self.encode(image), code)


class ExpressionMaps(nn.Module):
    """Maps (B, C, H, W) of codes (B, K): a grid of `GRID` x `GRID` values of each channel, enlarged.

    Args:
        code: K.
        channels: C.
    """

    def __init__(self, code: int, channels: int) -> None:
        super().__init__()
        self.layer = nn.Linear(code, channels * GRID**2)

    def forward(self, code: Tensor, size: tuple[int, int]) -> Tensor:
        """Apply it."""
        grid = self.layer(code).view(len(code), -1, GRID, GRID)
        return F.interpolate(grid, size, mode="bilinear", align_corners=False)


class PlaneAverage(nn.Module):
    """Running mean of the tri-planes of training, which is added to each (eq. 12).

    Its mean is of the generator's own output: with the sum in its place the mean would grow without bound.

    Args:
        shape: (3, C, H, W) of tri-planes.
        decay: share of the mean that stays at each step.
    """

    mean: Tensor

    def __init__(self, shape: tuple[int, int, int, int], decay: float = 0.998) -> None:
        super().__init__()
        self.decay = decay
        self.register_buffer("mean", torch.zeros(shape))

    def forward(self, planes: Tensor) -> Tensor:
        """Add the mean of the steps before to tri-planes (B, 3, C, H, W); in training, these join it afterwards."""
        total = planes + self.mean.clone()
        if self.training:
            with torch.no_grad():
                self.mean.lerp_(mean_over_processes(planes.float().mean(0)), 1 - self.decay)
        return total


class SuperResolution(nn.Module):
    """Pictures of twice the size of the features, by plain convolutions in EG3D's order.

    The weights are not scaled where they are used, as EG3D's are, whose learning rate is 25 times the paper's. The
    layers of colour begin with zeros, so that the picture begins as the enlarged raw one.

    Args:
        features: channels of the features, whose first three are the raw picture.
        widths: channels at half and at full size.
    """

    def __init__(self, features: int = 32, widths: tuple[int, int] = (128, 64)) -> None:
        super().__init__()
        coarse, fine = widths
        self.coarse = nn.Sequential(_convolve(features, coarse), _convolve(coarse, coarse))
        self.coarse_colour = nn.Conv2d(coarse, 3, 1)
        self.up = _convolve(coarse, fine)
        self.fine = _convolve(fine, fine)
        self.fine_colour = nn.Conv2d(fine, 3, 1)
        self.apply(_keep_variance)
        for layer in (self.coarse_colour, self.fine_colour):
            nn.init.zeros_(layer.weight)

    def forward(self, features: Tensor, size: int) -> tuple[Tensor, Tensor]:
        """Enlarge features (B, C, h, w), resized to S / 2 first.

        Returns:
            Pictures (B, 3, S, S), and the maps (B, F, S, S) that the last layer of colour reads.
        """
        half = (size // 2, size // 2)
        features = F.interpolate(features, half, mode="bilinear", align_corners=False, antialias=True)
        x = self.coarse(features)
        image = features[:, :3] + self.coarse_colour(x)
        x = self.fine(self.up(enlarge_maps(x)))
        return enlarge_maps(image) + self.fine_colour(x), x


def enlarge_maps(x: Tensor) -> Tensor:
    """Maps of twice the size, by the filter (1, 3, 3, 1)."""
    channels = x.shape[1]
    kernel = 4 * build_filter(x).expand(channels, 1, 4, 4)
    return F.conv_transpose2d(x, kernel, stride=2, padding=1, groups=channels)


def shuffle_tokens(tokens: Tensor, size: tuple[int, int]) -> Tensor:
    """Tokens (B, N, 4 C) of a map as a map (B, C, 2 H, 2 W), smoothed by a Gaussian of one pixel."""
    x = F.pixel_shuffle(fold_tokens(tokens, size), 2)
    place = torch.arange(-2, 3, device=x.device)
    row = torch.exp(-(place**2) / 2).to(x)
    row = (row / row.sum()).expand(x.shape[1], 1, 1, 5)
    x = F.pad(x, (2, 2, 2, 2), mode="replicate")
    return F.conv2d(F.conv2d(x, row, groups=x.shape[1]), row.mT, groups=x.shape[1])


def _build_branch(width: int) -> nn.Sequential:
    first = nn.Sequential(nn.Conv2d(3, width, 7, 2, 3), nn.LeakyReLU(SLOPE))
    return nn.Sequential(first, *(_convolve(width, width) for _ in range(2)))


def _convolve(inside: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inside, width, 3, padding=1), nn.LeakyReLU(SLOPE))


def _keep_variance(module: nn.Module) -> None:
    """Draw the weights of a convolution before a leaky ReLU, for `nn.Module.apply`."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, SLOPE)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
