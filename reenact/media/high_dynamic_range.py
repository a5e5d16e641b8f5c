"""HLG and PQ pictures in the colours of BT.709.

The light that a display of 1,000 cd/m2 shows is taken in units of the reference white of BT.2408, carried to the
primaries of BT.709, rolled off above three quarters of that white, and encoded by the inverse of BT.1886. FFmpeg's own
conversion gives the same colours without the roll-off, and takes seconds for each file that is opened.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Transfer = Literal["HLG", "PQ"]

REFERENCE_WHITE = 203.0
"""Luminance of diffuse white in cd/m2, by BT.2408."""
_PEAK = 1000.0
"""cd/m2 of the display that HLG is shown on, for which its gamma is 1.2."""
_KNEE = 0.75
"""Light, in units of the reference white, from which on highlights are rolled off."""
_STEPS = 4095
_TO_BT709 = np.array(
    [[1.660491, -0.587641, -0.072850], [-0.124550, 1.132900, -0.008349], [-0.018151, -0.100579, 1.118730]], np.float32
)
"""Linear light of BT.2020 -> of BT.709, by BT.2087."""
_LUMA = np.array([0.2627, 0.6780, 0.0593], np.float32)
"""Luma coefficients (3,) of R, G and B in BT.2020."""


def to_bt709(image: NDArray[np.uint16], transfer: Transfer) -> NDArray[np.uint8]:
    """Convert a picture (H, W, 3) of BT.2100 in 16 bits to BT.709 in 8."""
    light = _decoding_table(transfer)[image]
    if transfer == "HLG":
        luma = light @ _LUMA
        light *= np.power(luma, np.float32(0.2), out=luma)[..., None]
    light *= np.float32((10_000.0 if transfer == "PQ" else _PEAK) / REFERENCE_WHITE)
    light = np.maximum(light @ _TO_BT709.T, np.float32(0))
    brightest = light.max(axis=-1, keepdims=True)
    over = np.maximum(brightest - np.float32(_KNEE), np.float32(0))
    rolled = np.minimum(brightest, np.float32(_KNEE)) + (1 - _KNEE) * -np.expm1(-over / np.float32(1 - _KNEE))
    # All channels by one factor, so that hues stay.
    light *= rolled / np.maximum(brightest, np.float32(1e-6))
    codes: NDArray[np.uint8] = _encoding_table()[np.rint(light * _STEPS).astype(np.uint16).clip(0, _STEPS)]
    return codes


@lru_cache
def _decoding_table(transfer: Transfer) -> NDArray[np.float32]:
    """(65536,) light of each code: scene light in 0..1 for HLG, display light in units of 10,000 cd/m2 for PQ."""
    code = np.arange(65536) / 65535
    if transfer == "HLG":
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        light = np.where(code <= 0.5, code**2 / 3, (np.exp((code - c) / a) + b) / 12)
    else:
        m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
        root = code ** (1 / m2)
        light = (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1)
    return light.astype(np.float32)


@lru_cache
def _encoding_table() -> NDArray[np.uint8]:
    """(4096,) codes of light in 0..1, for a display of gamma 2.4."""
    return np.rint(255 * (np.arange(_STEPS + 1) / _STEPS) ** (1 / 2.4)).astype(np.uint8)
