"""A person's skin: tone, blush, freckles, creases, beard and scalp, over which lips, lids and brows are painted."""

from __future__ import annotations

import numpy as np

from reenact.world.canvas import F32, SIDE, Canvas, blend_colour, build_tint, draw_blob
from reenact.world.features import paint_brow, paint_eyelid, paint_lips
from reenact.world.people import Person
from reenact.world.textures import tile_at


def paint_skin(canvas: Canvas, person: Person, hairline: F32) -> tuple[F32, F32]:
    """Paint a person's skin.

    Args:
        canvas: the chart.
        person: the person.
        hairline: (SIDE, SIDE) 0 to 1, where hair grows from the scalp.

    Returns:
        (SIDE, SIDE, 4) linear albedo and gloss, and (SIDE, SIDE, 2) slope of the surface along right and up.
    """
    rng = np.random.Generator(np.random.Philox(person.detail))
    shift = rng.integers(0, 256, 2)
    rows, columns = np.meshgrid(np.arange(SIDE, dtype=np.float32), np.arange(SIDE, dtype=np.float32), indexing="ij")
    u, v = columns + shift[0], rows + shift[1]
    albedo = np.empty((3, SIDE, SIDE), np.float32)
    albedo[:] = person.skin[:, None, None]
    height = 0.10 * tile_at("grain", u * 0.9, v * 0.9) + 0.12 * tile_at("fine", u, v)
    gloss = np.full((SIDE, SIDE), person.gloss, np.float32)
    _paint_tone(canvas, person, albedo, gloss, u, v)
    always, aged = canvas.creases
    crease = np.minimum(always + np.float32(person.age) * aged, 1)
    albedo *= 1 - build_tint(0.20, 0.30, 0.32) * crease
    height -= 0.55 * crease
    if person.freckles > 0.05:
        _paint_freckles(canvas, person, albedo, u, v)
    _paint_moles(canvas, person, albedo, rng)
    _paint_scalp(canvas, person, albedo, hairline, u, v)
    _paint_beard(canvas, person, albedo, height, u, v)
    height += paint_lips(canvas, person, albedo, gloss, u)
    for side in (1, -1):
        paint_eyelid(canvas, person, albedo, side)
        paint_brow(canvas, person, albedo, height, side, shift)
    slope = np.zeros((SIDE, SIDE, 2), np.float32)
    slope[:, 1:-1, 0] = (height[:, 2:] - height[:, :-2]) * 0.5
    slope[1:-1, :, 1] = (height[:-2] - height[2:]) * 0.5
    picture = np.concatenate([np.clip(albedo, 0.004, 0.95), gloss[None]])
    return np.ascontiguousarray(np.moveaxis(picture, 0, -1)), slope


def _paint_tone(canvas: Canvas, person: Person, albedo: F32, gloss: F32, u: F32, v: F32) -> None:
    """Blotches, redness of cheeks, nose and ears, shade under the eyes, shine of the forehead and nose."""
    blotch = tile_at("blotch", u * 0.7, v * 0.7)
    albedo *= 1 + 0.05 * blotch + 0.025 * tile_at("fine", u, v)
    flush = build_tint(0.10, -0.34, -0.32) * person.blush
    albedo *= 1 + flush * (canvas.redness + 0.2 * blotch)
    under, nostril, wing = canvas.hollows
    albedo *= 1 - build_tint(0.14, 0.18, 0.12) * under * (0.5 + person.age)
    albedo *= 1 - build_tint(0.85, 0.92, 0.92) * nostril
    albedo *= 1 - build_tint(0.26, 0.36, 0.36) * wing
    gloss *= 1 + canvas.shine
    if person.feminine < 0.5:
        albedo *= 1 - build_tint(0.16, 0.10, 0.06) * canvas.beards["full"] * (0.9 - person.feminine)


def _paint_freckles(canvas: Canvas, person: Person, albedo: F32, u: F32, v: F32) -> None:
    spots = tile_at("spots", u * 0.8, v * 0.8) * canvas.sun * person.freckles
    albedo *= 1 - build_tint(0.35, 0.55, 0.62) * np.clip(spots, 0, 1)


def _paint_moles(canvas: Canvas, person: Person, albedo: F32, rng: np.random.Generator) -> None:
    for _ in range(int(rng.poisson(1.2 + person.age))):
        x, y, size = rng.uniform(-60, 60), rng.uniform(-80, 90), rng.uniform(0.6, 1.5)
        spot = draw_blob(canvas, x, y, size, size, mirrored=False)
        blend_colour(albedo, person.skin * np.array([0.35, 0.25, 0.22]), 0.8 * spot)


def _paint_scalp(canvas: Canvas, person: Person, albedo: F32, hairline: F32, u: F32, v: F32) -> None:
    """Hair roots; bald heads keep a trace of their crown of stubble."""
    strength = {"bald": 0.22, "buzz": 0.75}.get(person.hair_style, 0.85)
    edge = np.clip(hairline * 1.6 - 0.6 * tile_at("strands", u * 2.0, v * 2.0) * (hairline < 0.95), 0, 1)
    blend_colour(albedo, person.hair * 0.8 + 0.1 * person.skin, strength * edge * (0.8 + 0.2 * tile_at("grain", u, v)))


def _paint_beard(canvas: Canvas, person: Person, albedo: F32, height: F32, u: F32, v: F32) -> None:
    if person.beard == "none":
        return
    area = canvas.beards["full" if person.beard == "stubble" else person.beard]
    hairs = tile_at("strands", u * 2.3 + 0.6 * v, v * 0.9) * 0.65 + 0.35 * tile_at(
        "strands", u * 1.1 - 0.9 * v, v * 1.3
    )
    if person.beard == "stubble":
        cover = area * 0.55 * np.clip(0.35 + tile_at("grain", u * 1.0, v * 1.0), 0.15, 1)
        blend_colour(albedo, person.hair * 0.8 + person.skin * 0.05, cover)
        return
    cover = np.clip(area * 1.9 - hairs * (1.25 - 0.75 * area), 0, 1) * (0.8 + 0.2 * hairs)
    tone = (0.7 + 0.6 * hairs)[None] * person.hair[:, None, None].astype(np.float32)
    albedo += (tone * 0.95 - albedo) * cover
    height += 2.0 * cover * hairs + 0.6 * area
