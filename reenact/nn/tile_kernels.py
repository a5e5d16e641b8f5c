"""Compiled transforms of Winograd's tiles: maps to what is multiplied, and products to maps.

Maps, factors and products are flat arrays in float32, the channels innermost. A tile is 6 x 6 inputs, of which
`LANES` channels are transformed at once, in the processor's first cache. Indices are unsigned: signed ones may count
from the end, and loops over them aren't vectorised.
"""

# Numba gives these loops their types; numpy's stubs see an array in every element.
# mypy: disable-error-code="index, call-overload, assignment, operator, no-any-return, arg-type, misc"
from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reenact.compilation import njit

F32 = NDArray[np.float32]
Row = tuple[float, float, float, float, float, float]
"""Weights of the six values along one axis of a tile."""
SIDE = 6
"""Inputs along each axis of a tile."""
POINTS = SIDE * SIDE
"""Products that each pair of channels of a tile takes."""
LANES = 64
"""Channels that are transformed together."""
_U = np.uint64
_LANES = _U(LANES)
_LINE = _U(SIDE * LANES)
_FAST = {"contract"}
"""Products and sums may be one instruction."""


@njit(inline="always", fastmath=_FAST)
def _weigh(row: Row, a: float, b: float, c: float, d: float, e: float, f: float) -> float:
    return row[0] * a + row[1] * b + row[2] * c + row[3] * d + row[4] * e + row[5] * f


@njit(inline="always", fastmath=_FAST)
def _combine(matrix: tuple[Row, ...], source: F32, target: F32, at: int, step: int) -> None:
    """Write six combinations of the six values of `source` that are `step` apart, the first at `at`."""
    a, b, c = source[at], source[at + step], source[at + _U(2) * step]
    d, e, f = source[at + _U(3) * step], source[at + _U(4) * step], source[at + _U(5) * step]
    target[at] = _weigh(matrix[0], a, b, c, d, e, f)
    target[at + step] = _weigh(matrix[1], a, b, c, d, e, f)
    target[at + _U(2) * step] = _weigh(matrix[2], a, b, c, d, e, f)
    target[at + _U(3) * step] = _weigh(matrix[3], a, b, c, d, e, f)
    target[at + _U(4) * step] = _weigh(matrix[4], a, b, c, d, e, f)
    target[at + _U(5) * step] = _weigh(matrix[5], a, b, c, d, e, f)


@njit(inline="always")
def _copy(source: F32, begin: int, target: F32, place: int, count: int) -> None:
    for lane in range(count):
        target[place + lane] = source[begin + lane]


@njit(nogil=True, cache=True, fastmath=_FAST)
def transform_inputs(
    maps: F32, size: tuple[int, int, int], matrix: tuple[Row, ...], padding: int, stride: int, first: int, factors: F32
) -> None:
    """Write factors (T, 36, C) of the tiles from number `first` on of maps (B, H, W, C).

    Args:
        maps: what is convolved.
        size: H, W and C.
        matrix: six rows, which combine the inputs along each axis.
        padding: zeros around the maps.
        stride: outputs along each axis of a tile.
        first: number of the first tile, in rows of a map; the maps follow one another.
        factors: out.
    """
    height, width, channels = size
    rows, columns = _count_tiles(height, padding, stride), _count_tiles(width, padding, stride)
    tile, half = np.zeros(POINTS * LANES, np.float32), np.empty(POINTS * LANES, np.float32)
    for number in range(len(factors) // (POINTS * channels)):
        column, row = (first + number) % columns, (first + number) // columns % rows
        frame = (first + number) // (columns * rows)
        for channel in range(0, channels, LANES):
            count = _U(min(LANES, channels - channel))
            for i in range(SIDE):
                y = row * stride + i - padding
                for j in range(SIDE):
                    x = column * stride + j - padding
                    place = _U((SIDE * i + j) * LANES)
                    if y < 0 or y >= height or x < 0 or x >= width:
                        for lane in range(_LANES):
                            tile[place + lane] = 0
                    else:
                        _copy(maps, _U(((frame * height + y) * width + x) * channels + channel), tile, place, count)
            for j in range(_U(SIDE)):
                for lane in range(_LANES):
                    _combine(matrix, tile, half, j * _LANES + lane, _LINE)
            for i in range(_U(SIDE)):
                for lane in range(_LANES):
                    _combine(matrix, half, tile, i * _LINE + lane, _LANES)
            for point in range(POINTS):
                begin = _U((number * POINTS + point) * channels + channel)
                _copy(tile, _U(point * LANES), factors, begin, count)


@njit(nogil=True, cache=True, fastmath=_FAST)
def transform_products(
    products: F32, matrix: tuple[Row, ...], stride: int, bias: F32, first: int, maps: F32, size: tuple[int, int, int]
) -> None:
    """Write the pixels of maps (B, h, w, O) that the tiles from number `first` on cover, given products (T, 36, O).

    Args:
        products: sums over the channels of the inputs.
        matrix: six rows, which combine the products along each axis; those from `stride` on aren't used.
        stride: outputs along each axis of a tile.
        bias: (O,) added to every pixel.
        first: as of `transform_inputs`.
        maps: out.
        size: h, w and O.
    """
    height, width, channels = size
    rows, columns = -(-height // stride), -(-width // stride)
    tile, half = np.zeros(POINTS * LANES, np.float32), np.empty(POINTS * LANES, np.float32)
    for number in range(len(products) // (POINTS * channels)):
        column, row = (first + number) % columns, (first + number) // columns % rows
        frame = (first + number) // (columns * rows)
        for channel in range(0, channels, LANES):
            count = _U(min(LANES, channels - channel))
            for point in range(POINTS):
                _copy(products, _U((number * POINTS + point) * channels + channel), tile, _U(point * LANES), count)
            for j in range(_U(SIDE)):
                for lane in range(_LANES):
                    _combine(matrix, tile, half, j * _LANES + lane, _LINE)
            for i in range(_U(SIDE - 1)):
                for lane in range(_LANES):
                    _combine(matrix, half, tile, i * _LINE + lane, _LANES)
            for i in range(min(stride, height - row * stride)):
                for j in range(min(stride, width - column * stride)):
                    place, shift = _U((SIDE * i + j) * LANES), _U(channel)
                    y, x = row * stride + i, column * stride + j
                    begin = _U(((frame * height + y) * width + x) * channels + channel)
                    for lane in range(count):
                        maps[begin + lane] = tile[place + lane] + bias[shift + lane]


@njit(inline="always")
def _count_tiles(size: int, padding: int, stride: int) -> int:
    """Tiles along an axis of this size: they cover `size + 2 padding - kernel + 1` outputs."""
    kernel = SIDE + 1 - stride
    return -(-(size + 2 * padding - kernel + 1) // stride)
