"""Light of a clip: lamps and ambience as spherical harmonics, and one key lamp for shadows and highlights.

Convention: directions and normals are in camera-aligned model space (x image right, y up, z towards the viewer).
Irradiance at a normal n is `sum_k light[k] * basis(n)[k]`, which multiplies linear-light albedo. Bands are ordered
1, x, y, z, xy, xz, yz, x²-y², 3z²-1, without normalisation constants.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reenact.world.rng import CLIP, Array, open_stream

LAMP_BANDS = np.array([1 / 4, 1 / 2, 1 / 2, 1 / 2, 15 / 16, 15 / 16, 15 / 16, 15 / 64, 5 / 64])
"""Irradiance of a unit directional lamp per band of `evaluate_harmonics` (Ramamoorthi & Hanrahan 2001, eq. 8)."""


def evaluate_harmonics(normal: Array) -> Array:
    """The nine bands (..., 9) at unit normals (..., 3)."""
    x, y, z = np.moveaxis(normal, -1, 0)
    return np.stack([np.ones_like(x), x, y, z, x * y, x * z, y * z, x * x - y * y, 3 * z * z - 1], -1)


@dataclass(frozen=True)
class Light:
    """The light of one clip."""

    coefficients: Array
    """(9, 3) irradiance by band and RGB channel: what `FaceParams.light` holds."""
    key: Array
    """(3,) unit direction towards the key lamp."""
    key_colour: Array
    """(3,) RGB of the key lamp, for highlights."""
    shadow: float
    """Share of the irradiance that the key lamp's shadow takes away, 0 to 1."""


def _draw_lamp_colour(rng: np.random.Generator, spread: float) -> Array:
    """A lamp's RGB between candle and overcast sky, of mean 1."""
    warmth = rng.normal(0, spread)
    tint = rng.normal(0, spread * 0.25)
    colour = np.exp(np.array([warmth, tint, -warmth]))
    return np.asarray(colour / colour.mean())


def _compute_direction(azimuth: float, elevation: float) -> Array:
    """Unit vector at angles in degrees: azimuth 0 is the viewer, positive to image right."""
    a, e = np.radians(azimuth), np.radians(elevation)
    return np.array([np.sin(a) * np.cos(e), np.sin(e), np.cos(a) * np.cos(e)])


def clip_light(seed: int, identity: int, clip: int) -> Light:
    """Draw the light of a clip: ambience with a sky gradient, a key lamp, a weaker fill, on some a rim lamp."""
    rng = open_stream(seed, CLIP, identity, clip, 1)
    side = rng.choice([-1.0, 1.0])
    key = _compute_direction(side * rng.uniform(8, 58), rng.uniform(12, 52))
    fill = _compute_direction(-side * rng.uniform(25, 80), rng.uniform(-10, 30))
    rim = _compute_direction(-side * rng.uniform(110, 150), rng.uniform(10, 40))
    key_colour = _draw_lamp_colour(rng, 0.10)
    power = rng.uniform(0.6, 1.05)
    lamps = [
        (key, power * key_colour),
        (fill, rng.uniform(0.1, 0.3) * _draw_lamp_colour(rng, 0.12)),
        (rim, (rng.uniform(0.2, 0.7) if rng.random() < 0.4 else 0.0) * _draw_lamp_colour(rng, 0.2)),
    ]
    light = np.zeros((9, 3))
    light[0] = rng.uniform(0.2, 0.36) * _draw_lamp_colour(rng, 0.07)
    light[2] = light[0] * rng.uniform(0.05, 0.3)
    for direction, colour in lamps:
        light += (LAMP_BANDS * evaluate_harmonics(direction))[:, None] * colour
    exposure = rng.uniform(0.44, 0.68) / (evaluate_harmonics(np.array([0.0, 0.2, 0.98])) @ light).mean()
    return Light(light * exposure, key, key_colour * power * exposure, shadow=rng.uniform(0.2, 0.5))
