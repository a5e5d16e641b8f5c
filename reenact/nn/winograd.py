"""Convolutions by Winograd's minimal filtering (Lavin and Gray 2016): fewer products, for inference on the processor.

A tile of 4 x 4 outputs of a 3 x 3 kernel takes 36 products for each pair of channels instead of 144, one of 5 x 5
outputs of a 2 x 2 kernel 36 instead of 100. Volumes are tiled in height and width; their kernels' depth stays.
Libraries of graphics cards do so themselves; PyTorch's of the processor does not.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reenact.nn.layout import inner_format
from reenact.nn.tile_kernels import POINTS, SIDE, Row, transform_inputs, transform_products
from reenact.threads import Array, run_jobs, split_bands

VALUES = (0.0, 1.0, -1.0, 0.5, -2.0)
"""Points at which the polynomials of a kernel are evaluated, beside infinity."""
KERNELS = (2, 3)
"""Sides of the kernels that fit a tile."""
STRIP = 128
"""Tiles, of all slices of a volume, that are computed together: few enough for the processor's caches, enough for
weights to be read rarely."""
LEAST_STRIP = 16
"""Tiles of a slice that are computed together at least."""
LEAST_TILES = 64
"""Tiles from which fewer products save more time than four times as many weights take to be read."""
LEAST_WIDTH = 64
"""Channels, of the inputs and of the outputs, from which the transforms cost less than they save."""
LEAST_WIDTH_MIXED = 129
"""The same in mixed precision, where the convolution itself takes half the time and tiles stay in 32 bits, which their
transforms need."""


Layout = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], int]
"""Padding, stride, dilation and groups of a convolution."""


class WinogradConv(nn.Module):
    """A convolution of stride 1 whose kernel is 2 or 3 high and wide, in 32-bit precision on the processor.

    Elsewhere, and where a gradient is computed, it is the convolution itself; small maps aren't tiled. In what is
    computed by tiles, the channels of a pixel are neighbours in memory.

    Args:
        conv: the convolution, whose weights it keeps.
    """

    def __init__(self, conv: nn.Conv2d | nn.Conv3d) -> None:
        super().__init__()
        self.conv = conv
        kernel, self.padding = conv.kernel_size[-1], int(conv.padding[-1])
        self.stride = SIDE + 1 - kernel
        outputs, self.weight_transform, inputs = build_tile_transforms(kernel)
        unused = torch.zeros(SIDE - self.stride, SIDE, dtype=torch.float64)
        self.input_rows, self.output_rows = _list_rows(inputs), _list_rows(torch.cat((outputs, unused)))
        self._tile_weights: Tensor | None = None
        self._ordered_weights: Tensor | None = None

    def __getstate__(self) -> dict[str, Any]:
        """What a copy is made of; oneDNN's weights can't be copied."""
        return {**self.__dict__, "_tile_weights": None, "_ordered_weights": None}

    def forward(self, x: Tensor) -> Tensor:
        """Convolve maps (B, in, H, W) or volumes (B, in, D, H, W)."""
        height, width = (size + 2 * self.padding - SIDE + self.stride for size in x.shape[-2:])
        maps = math.prod((len(x), *x.shape[2:-2]))
        is_small = maps * -(-height // self.stride) * -(-width // self.stride) < LEAST_TILES
        is_mixed = torch.is_autocast_enabled("cpu")
        if not self._suits(x) or (is_small and is_mixed):
            convolved: Tensor = self.conv(x)
            return convolved
        if is_small:
            return self._convolve_directly(x)
        if is_mixed:
            with torch.autocast("cpu", enabled=False):
                return self._convolve(x.float(), height, width).to(torch.get_autocast_dtype("cpu"))
        return self._convolve(x, height, width)

    def _convolve_directly(self, x: Tensor) -> Tensor:
        """Convolve small maps or volumes, for which reading and ordering the weights takes most of the time."""
        conv, ones = self.conv, (1,) * (x.ndim - 2)
        layout = tuple(int(size) for size in conv.padding), ones, ones, 1
        if self._ordered_weights is None:
            self._ordered_weights = _order_weights(conv.weight, layout, x.shape)
        return _convolve_ordered(x, self._ordered_weights, conv.bias, layout)

    def _suits(self, x: Tensor) -> bool:
        """Return True if the convolution of maps without a gradient on the processor gains by tiles."""
        if x.device.type != "cpu" or (x.requires_grad and torch.is_grad_enabled()):
            return False
        if torch.is_autocast_enabled("cpu"):
            return min(self.conv.in_channels, self.conv.out_channels) >= LEAST_WIDTH_MIXED
        return x.dtype == torch.float32

    def _convolve(self, x: Tensor, height: int, width: int) -> Tensor:
        """Convolve to maps or volumes of this height and width."""
        pixels = x.contiguous(memory_format=inner_format(x)).movedim(1, -1)
        out = x.new_empty(*pixels.shape[:-3], height, width, self.conv.out_channels)
        # Slices of a volume are convolved together, frames one after the other; maps lie side by side in one slice.
        stacks = [(pixels[None], out[None])] if x.ndim == 4 else zip(pixels[:, :, None], out[:, :, None], strict=True)
        for maps, results in stacks:
            self._convolve_slices(maps, results)
        return out.movedim(-1, 1)

    def _convolve_slices(self, maps: Tensor, out: Tensor) -> None:
        """Fill slices (D, B, h, w, out) of slices (D, B, H, W, in)."""
        slices, frames, height, width, _ = out.shape
        tiles = frames * -(-height // self.stride) * -(-width // self.stride)
        strips = -(-tiles // max(STRIP // slices, LEAST_STRIP))
        count = -(-tiles // strips)
        for first in range(0, tiles, count):
            self._convolve_strip(maps, out, first, min(count, tiles - first))

    def _convolve_strip(self, maps: Tensor, out: Tensor, first: int, count: int) -> None:
        """Fill the pixels of `count` tiles of every slice."""
        slices, (height, width, channels), (*result_size, outputs) = len(maps), maps.shape[2:], out.shape[2:]
        parts = split_bands(slices, count)
        factors = maps.new_empty(slices, count, POINTS * channels)
        size, settings = (height, width, channels), (self.input_rows, self.padding, self.stride)
        reading = [
            (_flatten(maps[s]), size, *settings, first + begin, _flatten(factors[s, begin:end]))
            for s, begin, end in parts
        ]
        run_jobs(transform_inputs, reading)
        products = self._multiply(factors)
        bias = torch.zeros(outputs) if self.conv.bias is None else self.conv.bias
        writing = [
            (
                _flatten(products[s, begin:end]),
                self.output_rows,
                self.stride,
                _flatten(bias),
                first + begin,
                _flatten(out[s]),
                (*result_size, outputs),
            )
            for s, begin, end in parts
        ]
        run_jobs(transform_products, writing)

    def _multiply(self, factors: Tensor) -> Tensor:
        """Products (D, T, 36 out) of factors (D, T, 36 in), each point by its own weights, over neighbouring slices."""
        image = factors.permute(2, 0, 1)[None]
        depth = self.conv.weight.shape[2] if self.conv.weight.ndim == 5 else 1
        layout = (depth // 2, 0), (1, 1), (1, 1), POINTS
        if self._tile_weights is None:
            self._tile_weights = _order_weights(self._transform_weights(depth), layout, image.shape)
        products = _convolve_ordered(image, self._tile_weights, None, layout)
        return products[0].permute(1, 2, 0).contiguous()

    @torch.no_grad()
    def _transform_weights(self, depth: int) -> Tensor:
        """Weights (36 out, in, depth, 1) of the products."""
        transform, weight = self.weight_transform, self.conv.weight.double()
        return (
            torch.einsum("ty,sx,oi...yx->tsoi...", transform, transform, weight)
            .float()
            .reshape(POINTS * len(weight), -1, depth, 1)
        )


def _order_weights(weights: Tensor, layout: Layout, shape: torch.Size) -> Tensor:
    """Weights in the order that oneDNN takes for an input of this shape.

    `F.conv2d` orders them at each call, which may take longer than the convolution, and `torch.bmm` is MKL's, which
    leaves AVX-512 unused on AMD's processors.
    """
    # The stubs of PyTorch have another order of the arguments.
    flat, deep = torch._C._nn.mkldnn_reorder_conv2d_weight, torch._C._nn.mkldnn_reorder_conv3d_weight
    order: Any = flat if weights.ndim == 4 else deep
    ordered: Tensor = order(weights.detach().to_mkldnn(), *layout, shape)
    return ordered


def _convolve_ordered(x: Tensor, weights: Tensor, bias: Tensor | None, layout: Layout) -> Tensor:
    """Convolve by weights that `_order_weights` returned for the same layout."""
    convolved: Tensor = torch.ops.mkldnn._convolution_pointwise(x, weights, bias, *layout, "none", [], "")
    return convolved


def _flatten(x: Tensor) -> Array:
    return x.detach().view(-1).numpy()


def _list_rows(matrix: Tensor) -> tuple[Row, ...]:
    """The rows of a matrix as 32-bit numbers of the compiled kernels."""
    rows = matrix.float().numpy()
    return tuple(tuple(row) for row in rows)


def build_tile_transforms(kernel: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the transforms of outputs (7 - kernel, 6), weights (6, kernel) and inputs (6, 6) of an axis, in float64.

    The correlation of six inputs d with a kernel g is `outputs @ ((weights @ g) * (inputs @ d))`: the transposed
    product of two polynomials by their values at five points and at infinity (Toom and Cook).
    """
    points = torch.tensor(VALUES, dtype=torch.float64)
    count = SIDE + 1 - kernel
    outputs, weights, inputs = (torch.zeros(size, SIDE, dtype=torch.float64) for size in (count, kernel, SIDE))
    for i, point in enumerate(points):
        others = torch.cat((points[:i], points[i + 1 :]))
        outputs[:, i] = point ** torch.arange(count)
        weights[:, i] = point ** torch.arange(kernel) / (point - others).prod()
        inputs[: SIDE - 1, i] = _expand_roots(others)
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
    """Replace every convolution inside a module that gains from it on a processor, in place."""
    for name, child in module.named_children():
        if isinstance(child, nn.Conv2d | nn.Conv3d) and _suits_winograd(child):
            setattr(module, name, WinogradConv(child))
        elif not isinstance(child, WinogradConv):
            use_winograd(child)


def _suits_winograd(conv: nn.Conv2d | nn.Conv3d) -> bool:
    *depth, height, width = conv.kernel_size
    plain = {*conv.stride, *conv.dilation, conv.groups} == {1} and conv.padding_mode == "zeros"
    wide = min(conv.in_channels, conv.out_channels) >= LEAST_WIDTH
    square = height == width and height in KERNELS and conv.padding[-2:] in {(0, 0), (1, 1)}
    same_depth = not depth or depth[0] == 2 * int(conv.padding[0]) + 1
    is_available: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return is_available and plain and wide and square and same_depth
