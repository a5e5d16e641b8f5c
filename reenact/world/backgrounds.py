"""Backgrounds behind a talking head: one still picture per clip, out of focus as a portrait lens leaves it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reenact.world.rng import CLIP, Array, open_stream

SIZE = 160
"""Side of the background picture in texels; frames sample it bilinearly."""
Picture = NDArray[np.float32]


def clip_background(seed: int, identity: int, clip: int) -> Picture:
    """The (SIZE, SIZE, 3) linear-light background of a clip."""
    rng = open_stream(seed, CLIP, identity, clip, 2)
    kinds = (_draw_backdrop, _draw_bokeh, _draw_room, _draw_pattern, _draw_outdoors, _draw_shelf)
    kind = kinds[int(rng.choice(len(kinds), p=[0.18, 0.2, 0.22, 0.1, 0.15, 0.15]))]
    picture = np.clip(kind(rng), 0, 1.2)
    y, x = _build_grid()
    vignette = 1 - rng.uniform(0, 0.35) * np.clip(x * x + y * y, 0, 2)
    return (0.62 * picture * vignette[..., None]).astype(np.float32)


def _build_grid() -> tuple[Array, Array]:
    """Y and x of texel centres, from -1 (top, left) to 1."""
    axis = (np.arange(SIZE) + 0.5) * (2 / SIZE) - 1
    y, x = np.meshgrid(axis, axis, indexing="ij")
    return y, x


def _draw_colour(rng: np.random.Generator, low: float = 0.03, high: float = 0.75, chroma: float = 0.5) -> Array:
    """A random linear RGB, more often muted than gaudy."""
    value = rng.uniform(low, high)
    hue = rng.uniform(0, 2 * np.pi)
    saturation = chroma * rng.random() ** 1.5
    wheel = np.cos(hue - np.array([0.0, 2.0944, 4.1888]))
    return np.asarray(np.clip(value * (1 + saturation * wheel), 0.005, 1.1))


def _blur_picture(picture: Array, radius: int) -> Array:
    """Blur twice along each axis with a box filter; edges are repeated."""
    for axis in (0, 1, 0, 1):
        width = [(0, 0)] * picture.ndim
        width[axis] = (radius + 1, radius)
        total = np.cumsum(np.pad(picture, width, mode="edge"), axis=axis)
        length = picture.shape[axis]
        window = 2 * radius + 1
        high = np.take(total, np.arange(window, window + length), axis=axis)
        low = np.take(total, np.arange(length), axis=axis)
        picture = (high - low) / window
    return picture


def _draw_cloud(rng: np.random.Generator, cells: int) -> Array:
    """Smooth noise (SIZE, SIZE) in about [-1, 1]."""
    coarse = rng.uniform(-1, 1, (cells + 3, cells + 3))
    repeats = SIZE // cells + 1
    fine = np.repeat(np.repeat(coarse, repeats, 0), repeats, 1)[: SIZE + 2 * repeats, : SIZE + 2 * repeats]
    return np.asarray(
        _blur_picture(fine[..., None], repeats // 2 + 1)[repeats : repeats + SIZE, repeats : repeats + SIZE, 0]
    )


def _draw_backdrop(rng: np.random.Generator) -> Array:
    """A studio backdrop: one paint, lit from one side, mottled."""
    y, x = _build_grid()
    angle = rng.uniform(0, 2 * np.pi)
    ramp = 0.5 + 0.35 * (np.cos(angle) * x + np.sin(angle) * y) + 0.12 * _draw_cloud(rng, 5)
    a = _draw_colour(rng)
    b = np.clip(a * rng.uniform(0.3, 1.0) + 0.1 * _draw_colour(rng), 0, 1)
    return np.asarray(a * ramp[..., None] + b * (1 - ramp[..., None]))


def _blend_disc(picture: Array, centre: tuple[float, float], radius: float, colour: Array, alpha: float) -> None:
    """Blend a soft disc into a picture, in grid units."""
    y, x = _build_grid()
    distance = np.sqrt((x - centre[0]) ** 2 + (y - centre[1]) ** 2)
    cover = np.clip((radius - distance) / 0.03 + 0.5, 0, 1) * (0.75 + 0.25 * np.clip(distance / radius, 0, 1))
    picture += (colour - picture) * (alpha * cover)[..., None]


def _draw_bokeh(rng: np.random.Generator) -> Array:
    """Lights of a street or a hall, far out of focus."""
    y, _ = _build_grid()
    picture = _draw_colour(rng, 0.02, 0.12) + np.zeros((SIZE, SIZE, 3)) + 0.04 * (1 - y[..., None])
    picture += 0.05 * _draw_cloud(rng, 4)[..., None]
    hue = _draw_colour(rng, 0.5, 0.9, 0.9)
    for _ in range(int(rng.integers(14, 34))):
        colour = 0.6 * hue + 0.6 * _draw_colour(rng, 0.3, 0.9, 0.9)
        _blend_disc(picture, tuple(rng.uniform(-1.1, 1.1, 2)), rng.uniform(0.04, 0.17), colour, rng.uniform(0.15, 0.7))
    return _blur_picture(picture, 2)


def _fill_box(picture: Array, low: Array, high: Array, colour: Array) -> None:
    """Fill an axis-aligned rectangle, (x, y) corners in grid units."""
    texel = np.clip(np.round((np.stack([low, high]) + 1) * SIZE / 2), 0, SIZE).astype(int)
    picture[texel[0, 1] : texel[1, 1], texel[0, 0] : texel[1, 0]] = colour


def _draw_room(rng: np.random.Generator) -> Array:
    """A wall with a window or door, framed pictures and a piece of furniture."""
    picture = np.zeros((SIZE, SIZE, 3)) + _draw_colour(rng, 0.15, 0.8, 0.35)
    picture *= 1 + 0.08 * _draw_cloud(rng, 3)[..., None]
    window_x = rng.uniform(-1.3, 0.7)
    if rng.random() < 0.6:
        _fill_box(
            picture,
            np.array([window_x - 0.05, -1.1]),
            np.array([window_x + 0.65, 0.45]),
            _draw_colour(rng, 0.3, 0.9, 0.1),
        )
        pane = _draw_colour(rng, 0.75, 1.1, 0.12)
        for column in range(2):
            corner = np.array([window_x + 0.31 * column, -1.1])
            _fill_box(picture, corner, corner + np.array([0.27, 1.5]), pane)
    for _ in range(int(rng.integers(0, 4))):
        corner, size = rng.uniform(-1, 0.7, 2) * np.array([1, 0.8]), rng.uniform(0.15, 0.5, 2)
        _fill_box(picture, corner - 0.035, corner + size + 0.035, _draw_colour(rng, 0.02, 0.5, 0.3))
        _fill_box(picture, corner, corner + size, _draw_colour(rng, 0.1, 0.8, 0.8))
    if rng.random() < 0.5:
        _fill_box(
            picture, np.array([rng.uniform(-1, 0.3), 0.5]), np.array([1.1, 1.1]), _draw_colour(rng, 0.03, 0.3, 0.6)
        )
    return _blur_picture(picture, int(rng.integers(1, 6)))


def _draw_pattern(rng: np.random.Generator) -> Array:
    """Draw stripes, tiles or bricks."""
    y, x = _build_grid()
    scale, angle = rng.uniform(3, 9), rng.choice([0.0, np.pi / 2, rng.uniform(0, np.pi)])
    u, v = scale * (np.cos(angle) * x + np.sin(angle) * y), scale * (np.cos(angle) * y - np.sin(angle) * x)
    a, b = _draw_colour(rng, 0.05, 0.6, 0.5), _draw_colour(rng, 0.05, 0.6, 0.5)
    kind = rng.integers(3)
    if kind == 0:
        mask = (u % 1 < rng.uniform(0.3, 0.7)).astype(float)
    elif kind == 1:
        mask = ((u % 1 < 0.5) ^ (v % 1 < 0.5)).astype(float)
    else:
        shifted = u + 0.5 * (np.floor(v * 2) % 2)
        mask = ((shifted % 1 > 0.07) & ((v * 2) % 1 > 0.12)).astype(float)
        a = a + 0.06 * np.sin(12.9898 * np.floor(shifted) + 78.233 * np.floor(v * 2))[..., None]
    picture = a * mask[..., None] + b * (1 - mask[..., None])
    return _blur_picture(picture * (1 + 0.1 * _draw_cloud(rng, 6)[..., None]), int(rng.integers(1, 4)))


def _draw_outdoors(rng: np.random.Generator) -> Array:
    """Sky over foliage, hills or houses."""
    y, x = _build_grid()
    sky = np.array([0.45, 0.62, 0.9]) * rng.uniform(0.5, 1.1) + 0.25 * rng.random() * np.array([1.0, 0.7, 0.4])
    picture = sky * (0.8 + 0.2 * y[..., None]) + 0.08 * np.clip(_draw_cloud(rng, 5), 0, 1)[..., None]
    for depth in range(3):
        line = rng.uniform(-0.7, 0.1) + 0.3 * depth + 0.25 * _draw_cloud(rng, 3 + 2 * depth)
        green = np.array([0.16, 0.26, 0.08]) * rng.uniform(0.4, 1.3) + 0.08 * _draw_colour(rng)
        leaves = green * (1 + 0.7 * _draw_cloud(rng, 14)[..., None] + 0.25 * _draw_cloud(rng, 20)[..., None])
        cover = np.clip((y - line + 0.03 * np.sin(40 * x)) / 0.06, 0, 1)[..., None]
        picture = picture * (1 - cover) + leaves * cover
    return _blur_picture(picture, int(rng.integers(2, 5)))


def _draw_shelf(rng: np.random.Generator) -> Array:
    """Draw bookshelves."""
    picture = np.zeros((SIZE, SIZE, 3)) + _draw_colour(rng, 0.03, 0.25, 0.5)
    wood = _draw_colour(rng, 0.08, 0.5, 0.4) * np.array([1.15, 1.0, 0.8])
    rows = int(rng.integers(3, 6))
    palette = [_draw_colour(rng, 0.03, 0.6, 0.9) for _ in range(7)]
    for row in range(rows):
        bottom = -1 + 2 * (row + 1) / rows
        x = -1.0
        while x < 1:
            width, height = rng.uniform(0.04, 0.13), rng.uniform(0.55, 0.85) * 2 / rows
            if rng.random() < 0.88:
                corner = np.array([x, bottom - height])
                book = palette[int(rng.integers(7))] * rng.uniform(0.7, 1.2)
                _fill_box(picture, corner, np.array([x + width * 0.93, bottom]), book)
            x += width
        _fill_box(picture, np.array([-1.0, bottom - 0.02]), np.array([1.0, bottom + 0.03]), wood)
    return _blur_picture(picture, int(rng.integers(2, 6)))
