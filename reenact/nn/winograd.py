"""Convolutions by Winograd's minimal filtering (Lavin and Gray 2016): fewer products, for inference on the processor.

A tile of 4 x 4 outputs of a 3 x 3 kernel takes 36 products for each pair of channels instead of 144, one of a 2 x 2
kernel 25 instead of 64. Libraries of graphics cards do so themselves; PyTorch's of the processor does not.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

TILE = 4
"""Side of the square of outputs that is computed at once."""
STRIP = 128
"""Tiles that are computed together: what they take stays in the processor's cache."""
POINTS = {2: (0.0, 1.0, -1.0, 2.0), 3: (0.0, 1.0, -1.0, 0.5, -2.0)}
"""Points at which the polynomials of a kernel of this side are evaluated, beside infinity."""
LEAST_PRODUCTS = 64 * 128
"""Products of the two numbers of channels from which the transforms of the tiles cost less than they save."""
LEAST_PRODUCTS_AVX512 = 256 * 512
"""The same on processors with AVX-512, which convolve twice as fast and transform as fast."""


class WinogradConv2d(nn.Module):
    """A convolution of stride 1, with a square kernel of side 2 or 3, in 32-bit precision on the processor.

    Elsewhere, and where a gradient is computed, it is the convolution itself. Outputs have the memory format
    `torch.channels_last`.

    Args:
        conv: the convolution, whose weights it keeps.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv = conv
        kernel = conv.kernel_size[0]
        outputs, weights, inputs = build_tile_transforms(kernel)
        self.transforms = torch.kron(inputs, inputs).float(), torch.kron(outputs, outputs).float()
        self.weight_transform = torch.kron(weights, weights)
        self.side = TILE + kernel - 1
        self._tile_weights: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Convolve maps (B, in, H, W)."""
        if x.device.type != "cpu" or x.dtype != torch.float32 or torch.is_autocast_enabled("cpu") or x.requires_grad:
            convolved: Tensor = self.conv(x)
            return convolved
        if self._tile_weights is None:
            self._tile_weights = self._transform_weights()
        return self._convolve(x, self._tile_weights)

    @torch.no_grad()
    def _transform_weights(self) -> Tensor:
        """Weights (side^2, in, out) of the products."""
        weight = self.conv.weight.double()
        return torch.einsum("tk,oik->tio", self.weight_transform, weight.flatten(2)).float().contiguous()

    def _convolve(self, x: Tensor, weights: Tensor) -> Tensor:
        kernel, padding = self.conv.kernel_size[0], int(self.conv.padding[0])
        height, width = (size + 2 * padding - kernel + 1 for size in x.shape[-2:])
        rows, columns = -(-height // TILE), -(-width // TILE)
        below, right = (
            count * TILE + kernel - 1 - padding - size
            for count, size in zip((rows, columns), x.shape[-2:], strict=True)
        )
        padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, padding, right, padding, below)).contiguous()
        out = x.new_empty(len(x), rows, TILE, columns, TILE, weights.shape[-1])
        frames, lines = max(1, STRIP // (rows * columns)), max(1, STRIP // columns)
        for first in range(0, len(x), frames):
            for row in range(0, rows, lines):
                part = slice(first, first + frames), slice(row, row + lines)
                self._fill_strip(out[part], padded[first : first + frames, row * TILE :], weights)
        maps = out.view(len(x), rows * TILE, columns * TILE, -1)[:, :height, :width]
        return maps.permute(0, 3, 1, 2)

    def _fill_strip(self, out: Tensor, padded: Tensor, weights: Tensor) -> None:
        """Write tiles (b, rows, TILE, columns, TILE, out) of padded maps (b, h, w, in), the first of them on top."""
        inputs, outputs = self.transforms
        count, rows, _, columns, _, _ = out.shape
        frame, line, place, channel = padded.stride()
        tiles = padded.as_strided(
            (self.side, self.side, count, rows, columns, padded.shape[-1]),
            (line, place, frame, TILE * line, TILE * place, channel),
        )
        factors = (inputs @ tiles.reshape(self.side**2, -1)).view(self.side**2, -1, padded.shape[-1])
        products = torch.bmm(factors, weights)
        values = (outputs @ products.view(self.side**2, -1)).view(TILE, TILE, count, rows, columns, -1)
        values = values.permute(2, 3, 0, 4, 1, 5)
        if self.conv.bias is None:
            out.copy_(values)
        else:
            torch.add(values, self.conv.bias, out=out)


def build_tile_transforms(kernel: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the transforms of outputs (4, n), weights (n, kernel) and inputs (n, n) along one axis, in float64.

    The correlation of n = 4 + kernel - 1 inputs d with a kernel g is `outputs @ ((weights @ g) * (inputs @ d))`: the
    transposed product of two polynomials by their values at n - 1 points and at infinity (Toom and Cook).
    """
    points = torch.tensor(POINTS[kernel], dtype=torch.float64)
    count = TILE + kernel - 1
    outputs, weights, inputs = (torch.zeros(size, count, dtype=torch.float64) for size in (TILE, kernel, count))
    for i, point in enumerate(points):
        others = torch.cat((points[:i], points[i + 1 :]))
        outputs[:, i] = point ** torch.arange(TILE)
        weights[:, i] = point ** torch.arange(kernel) / (point - others).prod()
        inputs[: count - 1, i] = _expand_roots(others)
    outputs[-1, -1] = weights[-1, -1] = 1
    inputs[:, -1] = _expand_roots(points)
    return outputs, weights.T, inputs.T


def _expand_roots(roots: Tensor) -> Tensor:
    """Coefficients, lowest first, of the monic polynomial of these roots."""
    coefficients = torch.ones(1, dtype=roots.dtype)
    for root in roots:
        coefficients = F.pad(coefficients, (1, 0)) - root * F.pad(coefficients, (0, 1))
    return coefficients


def use_winograd(module: nn.Module) -> None:
    """Replace every convolution inside a module that gains from it on this processor, in place."""
    for name, child in module.named_children():
        if isinstance(child, nn.Conv2d) and _suits_winograd(child):
            setattr(module, name, WinogradConv2d(child))
        elif not isinstance(child, WinogradConv2d):
            use_winograd(child)


def _suits_winograd(conv: nn.Conv2d) -> bool:
    square = conv.kernel_size[0] == conv.kernel_size[1] and conv.kernel_size[0] in POINTS
    plain = conv.stride == conv.dilation == (1, 1) and conv.groups == 1 and conv.padding_mode == "zeros"
    least = LEAST_PRODUCTS_AVX512 if torch.backends.cpu.get_cpu_capability() == "AVX512" else LEAST_PRODUCTS
    wide = conv.in_channels * conv.out_channels >= least and min(conv.in_channels, conv.out_channels) >= 64
    return square and plain and wide and conv.padding in {(0, 0), (1, 1)}
