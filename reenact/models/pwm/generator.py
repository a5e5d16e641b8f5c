"""PWM's generator: from the source image and guidance maps to the result, through a pyramid of warps.

Follows `Model/model.py` of the released code; attribute names are those of its checkpoints. Images are in [0, 1].
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reenact.faces.fields import TensorFields
from reenact.nn.blocks import DownBlock, SameBlock, SpadeResBlock, UpBlock
from reenact.nn.fold import fold_blocks
from reenact.nn.resample import AntiAliasDown, warp

PAPER_WIDTHS = (32, 64, 128, 256, 512, 1024)
"""Channels at strides 1 to 32: `min(1024, max(int(64 * 0.5 * S), 16))` of `config.py`."""


@dataclass
class SourceFeatures(TensorFields):
    """Features of the source that the decoder reads."""

    image: Tensor
    """(B, 3, H, W) in [0, 1]."""
    bottleneck: Tensor
    """(B, C, h, w) encoder features at the coarsest stride."""
    resampled_bottleneck: Tensor | None
    """(B, C, h, w) `bottleneck` warped by zero displacement, where the guidance holds no displacement."""
    shortcuts: tuple[Tensor, ...]
    """Features to warp, coarse to fine, at half the coarsest stride down to stride 1."""


@dataclass
class Decoded(TensorFields):
    """Output of the decoder; displacements as in `reenact.nn.resample.warp` with the grid `centres`."""

    image: Tensor
    """(B, 3, H, W) in [0, 1]."""
    alpha: Tensor
    """(B, 1, H, W) blending weight in [0, 1], which the released settings don't use."""
    displacements: tuple[Tensor, ...]
    """(B, 2, H / S, W / S), coarse to fine, the last one at full size; full displacements, not residuals."""


class PWMGenerator(nn.Module):
    """Encoder, and decoder of SPADE blocks that predict a displacement for the next finer level.

    Args:
        widths: channels at strides 1, 2, 4, ...; each width differs from twice itself, so every block has a shortcut.
        source_channels: channels of the map that joins the source image, 0 for none.
        guidance_channels: channels of the guidance that modulates the decoder.
        displaced: whether the last two guidance channels are a displacement that warps the bottleneck.
        displacement_gain: factor on those channels where they modulate; 1 as released.
    """

    gain: Tensor

    def __init__(
        self,
        widths: Sequence[int],
        source_channels: int,
        guidance_channels: int,
        displaced: bool,
        displacement_gain: float = 1.0,
    ) -> None:
        super().__init__()
        self.displaced = displaced
        gain = torch.ones(1, guidance_channels, 1, 1)
        if displaced:
            gain[:, -2:] = displacement_gain
        self.register_buffer("gain", gain, persistent=False)
        strides = [2**level for level in range(len(widths))]
        width = dict(zip(strides, widths, strict=True))
        self.strides = strides
        down: dict[str, nn.Module] = {"x1": SameBlock(3 + source_channels, widths[0])}
        down |= {f"x{s}": DownBlock(width[s // 2], width[s]) for s in strides[1:]}
        self.down_layers = nn.ModuleDict(down)
        # The released network also owns a shortcut at the coarsest stride that no forward pass reads: left out.
        self.shortcut_layers = nn.ModuleDict({f"x{s}": SameBlock(width[s], width[s]) for s in strides[:-1]})
        self.downsamples = nn.ModuleDict({f"x{s}": AntiAliasDown(s) for s in strides[1:]})
        up: dict[str, nn.Module] = {}
        for s in reversed(strides[1:]):
            up[f"x{s}_spade"] = SpadeResBlock(2 * width[s], width[s], guidance_channels, width[s])
            up[f"x{s}_flow"] = nn.Conv2d(width[s], 2, 3, padding=1)
            up[f"x{s}_up"] = UpBlock(width[s], width[s // 2])
        up["x1_out"] = nn.Conv2d(2 * widths[0], 4, 3, padding=1)
        self.up_layers = nn.ModuleDict(up)

    def encode(self, image: Tensor, source_map: Tensor | None) -> SourceFeatures:
        """Features of an image (B, 3, H, W) in [0, 1] and its map (B, C, H, W); H, W multiples of the last stride."""
        x = image if source_map is None else torch.cat((image, source_map), dim=1)
        features = []
        for stride in self.strides:
            x = self.down_layers[f"x{stride}"](x)
            features.append(x)
        shortcuts = [self.shortcut_layers[f"x{s}"](f) for s, f in zip(self.strides[:-1], features, strict=False)]
        # The paper's variants without displacement don't warp here; the released code warps by zero, which its
        # mismatched grid makes a slight zoom.
        resampled = None if self.displaced else warp(x, x.new_zeros(x.shape[0], 2, *x.shape[-2:]), grid="centres")
        return SourceFeatures(image, x, resampled, tuple(reversed(shortcuts)))

    def decode(self, source: SourceFeatures, guidance: Tensor) -> Decoded:
        """The source driven by guidance (B, M, H, W); a source of batch 1 serves any B."""
        reduced = {s: self.downsamples[f"x{s}"](guidance) for s in self.strides[1:]}
        bottleneck = source.bottleneck.expand(guidance.shape[0], -1, -1, -1)
        if source.resampled_bottleneck is None:
            warped = warp(source.bottleneck, reduced[self.strides[-1]][:, -2:], grid="centres")
        else:
            warped = source.resampled_bottleneck.expand_as(bottleneck)
        x = torch.cat((bottleneck, warped), dim=1)
        displacements = []
        for stride, shortcut in zip(reversed(self.strides[1:]), source.shortcuts, strict=True):
            x = self.up_layers[f"x{stride}_spade"](x, reduced[stride] * self.gain)
            displacement = finer_displacement(self.up_layers[f"x{stride}_flow"](x))
            x = torch.cat((self.up_layers[f"x{stride}_up"](x), warp(shortcut, displacement, grid="centres")), dim=1)
            displacements.append(displacement)
        out = torch.sigmoid(self.up_layers["x1_out"](x))
        return Decoded(out[:, :3], out[:, 3:], tuple(displacements))

    def folded(self) -> PWMGenerator:
        """A copy for inference, with spectral and batch norms folded into plain convolutions; same outputs."""
        return fold_blocks(copy.deepcopy(self).eval())


def finer_displacement(raw: Tensor) -> Tensor:
    """A displacement (B, 2, 2h, 2w) in normalised units from a head's output (B, 2, h, w).

    Convention: the head speaks in pixels of the finer level, x before y; bilinear upsampling with
    `align_corners=False`, then 2 / (size - 1) per pixel, as released.
    """
    up = F.interpolate(raw, scale_factor=2.0, mode="bilinear", align_corners=False)
    height, width = up.shape[-2:]
    return up * up.new_tensor([2 / (width - 1), 2 / (height - 1)]).view(1, 2, 1, 1)
