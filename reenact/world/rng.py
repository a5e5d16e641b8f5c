"""Random numbers that depend on nothing but their key: a counter-based generator per key, and lattice noise in time."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

IDENTITY: Final = 1
"""Key domain of what a person keeps: shape, albedo, hair, brows, beard, glasses, irises."""
CLIP: Final = 2
"""Key domain of what changes from clip to clip: clothes, light, background, framing, mood."""
MOTION: Final = 3
"""Key domain of the motion within a clip."""


def open_stream(seed: int, *key: int) -> np.random.Generator:
    """A generator for one key; equal keys give equal numbers on every machine.

    Args:
        seed: the world's seed, not negative.
        key: a domain (`IDENTITY`, `CLIP`, `MOTION`) and the numbers within it, not negative.
    """
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(seed, spawn_key=key)))


def hash_lattice(key: int, channel: int, index: NDArray[np.int64]) -> Array:
    """Uniform numbers in [0, 1) at integer lattice points, by hashing (splitmix64's finaliser).

    Args:
        key: 64-bit key of the clip.
        channel: which of the clip's lattices.
        index: (...) lattice points, negative ones included.

    Returns:
        (...) numbers.
    """
    salt = np.uint64((key + channel * 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF)
    bits = (np.asarray(index, np.int64).astype(np.uint64) * np.uint64(0xD1342543DE82EF95)) ^ salt
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    bits ^= bits >> np.uint64(31)
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


def spline_weights(fraction: Array) -> Array:
    """Uniform cubic B-spline weights (4, ...) of the lattice points -1, 0, 1, 2 around a fraction in [0, 1)."""
    f = fraction
    inner = ((3 * f - 6) * f) * f + 4
    outer = ((-3 * f + 3) * f + 3) * f + 1
    return np.stack([(1 - f) ** 3, inner, outer, f**3]) / 6


def evaluate_noise(key: int, channel: int, time: Array, frequency: float) -> Array:
    """Smooth (C2) noise in time with unit-like amplitude (standard deviation about 0.6, range within ±1.7).

    Args:
        key: 64-bit key of the clip.
        channel: which noise of the clip.
        time: (N,) seconds.
        frequency: lattice points a second; the noise has no energy far above half of it.

    Returns:
        (N,) values.
    """
    position = time * frequency
    base = np.floor(position)
    index = base.astype(np.int64) + np.arange(-1, 3)[:, None]
    values = hash_lattice(key, channel, index) * 2 - 1
    return np.asarray(1.7 * (values * spline_weights(position - base)).sum(0))
