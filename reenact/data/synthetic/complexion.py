"""A person's skin painted over the mean head: tone, blush, freckles, creases, lips, lashes, brows, beard, scalp.

The skin chart is a stereographic picture of the mean head around a point inside it, seen from the front: u to the
subject's left, v down, both 0 to 1. Every texel knows the place of the mean head it shows, and features are placed
there in millimetres; since all heads share the mean head's vertices, the paint moves with shape and expression.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from reenact.data.synthetic.kernels import rasterize
from reenact.data.synthetic.people import Person
from reenact.data.synthetic.textures import tile_at, tiles

F32 = NDArray[np.float32]

SIDE = 512
"""Side of the skin chart in texels; near the front one texel is about a millimetre."""
_CENTRE = np.array([0.0, 0.01, -0.01])
_REACH = 1.25


def chart(points: NDArray[np.floating]) -> F32:
    """(N, 2) chart coordinates u, v of (N, 3) points of the mean head, in metres; of ears, see `ear_chart`."""
    offset = np.asarray(points, np.float64) - _CENTRE
    below = np.sqrt((offset**2).sum(-1)) + offset[:, 2]
    plane = offset[:, :2] / np.maximum(below, 1e-3)[:, None] / (2 * _REACH)
    return np.asarray(np.clip(np.stack([0.5 + plane[:, 0], 0.5 - plane[:, 1]], -1), 0, 1), np.float32)


def ear_chart(points: NDArray[np.floating]) -> F32:
    """(N, 2) chart coordinates of ears, which stand off the head: seen from their side, in the chart's upper corners.

    What the corners would show otherwise is the back of the head, which no portrait sees.
    """
    u = 0.04 + (points[:, 2] + 0.05) * 1.5
    v = 0.04 + (0.06 - points[:, 1]) * 1.5
    return np.stack([np.where(points[:, 0] > 0, 1 - u, u), v], -1).astype(np.float32)


@dataclass(frozen=True)
class Canvas:
    """Where on the mean head each texel lies, and the places that features are laid out by."""

    place: F32
    """(3, SIDE, SIDE) x, y, z in millimetres."""
    ear: NDArray[np.bool_]
    """(SIDE, SIDE) texels of the ears."""
    landmarks: NDArray[np.float64]
    """(68, 3) iBUG points of the mean head in millimetres."""

    @classmethod
    def of(
        cls, vertices: NDArray[np.float64], faces: NDArray[np.int32], charted: F32, ears: NDArray[np.bool_],
        landmarks: NDArray[np.float64],
    ) -> Canvas:  # fmt: skip
        """Lay the chart over the mean head.

        Args:
            vertices: (V, 3) mean head in metres.
            faces: (F, 3) its skin's triangles.
            charted: (V, 2) chart coordinates.
            ears: (F,) whether a triangle belongs to an ear.
            landmarks: (68, 3) in metres.
        """
        screen = np.zeros((len(vertices), 3), np.float32)
        screen[:, :2] = charted * SIDE
        screen[:, 2] = -np.sqrt(((vertices - _CENTRE) ** 2).sum(-1))
        screen[np.unique(faces[ears]), 2] -= 1
        index = np.empty((SIDE, SIDE), np.int32)
        weights, depth = np.zeros((SIDE, SIDE, 2), np.float32), np.empty((SIDE, SIDE), np.float32)
        rasterize(
            screen, faces, np.zeros(len(faces), np.uint8), np.zeros(8, np.uint8),
            np.ones((len(vertices), 4), np.float32), tiles()["strands"], SIDE, index, weights, depth,
        )  # fmt: skip
        corner = vertices[faces[np.maximum(index, 0)]]
        bary = np.concatenate([weights, 1 - weights.sum(-1, keepdims=True)], -1)
        place = (corner * bary[..., None]).sum(-2) * 1e3
        place[index < 0] = (0, -200, -100)
        seen = ears[np.maximum(index, 0)] & (index >= 0)
        return cls(np.ascontiguousarray(np.moveaxis(place, -1, 0), np.float32), seen, landmarks * 1e3)

    @cached_property
    def redness(self) -> F32:
        """Where blood shows: cheeks, nose, chin, ears."""
        px, py, _ = self.place
        red = 0.55 * _blob(self, 44, -8, 14, 13) + 0.5 * _blob(self, 0, -12, 10, 7) + 0.2 * _blob(self, 0, -76, 14, 8)
        return np.asarray(red + 0.5 * _ramp(68, 78, np.abs(px)) * (np.abs(py) < 35), np.float32)

    @cached_property
    def shine(self) -> F32:
        """Where skin is oily: forehead, nose, cheek bones."""
        forehead, nose, cheeks = _blob(self, 0, 85, 35, 18), _blob(self, 0, 0, 6, 20), _blob(self, 42, 5, 12, 9)
        return np.asarray(0.8 * forehead + nose + 0.4 * cheeks, np.float32)

    @cached_property
    def sun(self) -> F32:
        """Where freckles grow."""
        return np.clip(_blob(self, 26, 0, 26, 20) + 0.5 * _blob(self, 0, 80, 40, 20), 0, 1)

    @cached_property
    def hollows(self) -> tuple[F32, F32, F32]:
        """Shade under the eyes; the nostrils; the creases around the wings of the nose."""
        under = _blob(self, 30, 19, 10, 4.5) + 0.6 * _blob(self, 19, 27, 4, 6)
        wing = _blob(self, 16.2, -13.5, 1.5, 4.5) + 0.7 * _blob(self, 10, -22.4, 5.0, 1.1)
        return under, np.clip(1.3 * _blob(self, 6.4, -19.6, 2.3, 1.3), 0, 1), np.clip(wing, 0, 1)

    @cached_property
    def creases(self) -> tuple[F32, F32]:
        """Depth of the creases that everyone has, and of those that age adds."""
        return _creases(self)

    @cached_property
    def beards(self) -> dict[str, F32]:
        """Where a beard of each kind grows, 0 to 1."""
        return _beards(self)


def _blob(canvas: Canvas, x: float, y: float, width: float, height: float, mirrored: bool = True) -> F32:
    """Gaussian at (x, y) mm of the front, mirrored to both sides, with standard deviations in mm."""
    px, py, pz = canvas.place
    side = np.abs(px) if mirrored else px
    return np.asarray(np.exp(-0.5 * (((side - x) / width) ** 2 + ((py - y) / height) ** 2)) * (pz > 0), np.float32)


def _ramp(low: float, high: float, value: F32) -> F32:
    x = np.clip((value - low) / (high - low), 0, 1)
    return np.asarray(x * x * (3 - 2 * x), np.float32)


def _tint(red: float, green: float, blue: float) -> F32:
    """(3, 1, 1) factor or colour for (3, N, N) albedo."""
    return np.array([[[red]], [[green]], [[blue]]], np.float32)


def _mix(albedo: F32, colour: NDArray[np.float64], alpha: F32) -> None:
    """Blend a colour into (3, N, N) albedo, in place."""
    albedo += (np.asarray(colour, np.float32)[:, None, None] - albedo) * alpha


def _window(canvas: Canvas, points: NDArray[np.float64], margin: float) -> tuple[slice, slice]:
    """The part of the chart around (N, 3) places in mm, with a margin in texels."""
    texel = chart(points * 1e-3) * SIDE
    low = np.maximum(texel.min(0) - margin, 0).astype(int)
    high = np.minimum(texel.max(0) + margin, SIDE).astype(int)
    return slice(low[1], high[1]), slice(low[0], high[0])


def _distance(x: F32, y: F32, line: NDArray[np.float64], closed: bool) -> tuple[F32, NDArray[np.bool_]]:
    """Distance in mm to a frontal polyline (M, 2), and whether a point lies inside of it where it is closed."""
    ends = np.roll(line, -1, 0) if closed else line[1:]
    starts = line if closed else line[:-1]
    best = np.full(x.shape, np.inf, np.float32)
    inside = np.zeros(x.shape, np.bool_)
    for (ax, ay), (bx, by) in zip(starts.astype(np.float32), ends.astype(np.float32), strict=True):
        dx, dy = bx - ax, by - ay
        t = np.clip(((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy + np.float32(1e-9)), 0, 1)
        best = np.minimum(best, (x - ax - t * dx) ** 2 + (y - ay - t * dy) ** 2)
        if closed and ay != by:
            inside ^= ((ay > y) != (by > y)) & (x < (y - ay) * dx / dy + ax)
    return np.sqrt(best), inside


def _curve(points: NDArray[np.float64], steps: int = 5) -> NDArray[np.float64]:
    """A Catmull-Rom curve through closed (N, 2) points."""
    previous, following, after = np.roll(points, 1, 0), np.roll(points, -1, 0), np.roll(points, -2, 0)
    t = (np.arange(steps) / steps)[:, None, None]
    a, b = -previous + following, 2 * previous - 5 * points + 4 * following - after
    c = -previous + 3 * points - 3 * following + after
    return np.swapaxes(points + 0.5 * (a * t + b * t**2 + c * t**3), 0, 1).reshape(-1, 2)


def paint(canvas: Canvas, who: Person, hairline: F32) -> tuple[F32, F32]:
    """Paint a person's skin.

    Args:
        canvas: the chart.
        who: the person.
        hairline: (SIDE, SIDE) 0 to 1, where hair grows from the scalp.

    Returns:
        (SIDE, SIDE, 4) linear albedo and gloss, and (SIDE, SIDE, 2) slope of the surface along right and up.
    """
    rng = np.random.Generator(np.random.Philox(who.detail))
    shift = rng.integers(0, 256, 2)
    rows, columns = np.meshgrid(np.arange(SIDE, dtype=np.float32), np.arange(SIDE, dtype=np.float32), indexing="ij")
    u, v = columns + shift[0], rows + shift[1]
    albedo = np.empty((3, SIDE, SIDE), np.float32)
    albedo[:] = who.skin[:, None, None]
    height = 0.10 * tile_at("grain", u * 0.9, v * 0.9) + 0.12 * tile_at("fine", u, v)
    gloss = np.full((SIDE, SIDE), who.gloss, np.float32)
    _tone(canvas, who, albedo, gloss, u, v)
    always, aged = canvas.creases
    crease = np.minimum(always + np.float32(who.age) * aged, 1)
    albedo *= 1 - _tint(0.20, 0.30, 0.32) * crease
    height -= 0.55 * crease
    if who.freckles > 0.05:
        _freckles(canvas, who, albedo, u, v)
    _moles(canvas, who, albedo, rng)
    _scalp(canvas, who, albedo, hairline, u, v)
    _beard(canvas, who, albedo, height, u, v)
    height += _lips(canvas, who, albedo, gloss, u)
    for side in (1, -1):
        _eyelid(canvas, who, albedo, side)
        _brow(canvas, who, albedo, height, side, shift)
    slope = np.zeros((SIDE, SIDE, 2), np.float32)
    slope[:, 1:-1, 0] = (height[:, 2:] - height[:, :-2]) * 0.5
    slope[1:-1, :, 1] = (height[:-2] - height[2:]) * 0.5
    picture = np.concatenate([np.clip(albedo, 0.004, 0.95), gloss[None]])
    return np.ascontiguousarray(np.moveaxis(picture, 0, -1)), slope


def _tone(canvas: Canvas, who: Person, albedo: F32, gloss: F32, u: F32, v: F32) -> None:
    """Blotches, redness of cheeks, nose and ears, shade under the eyes, shine of the forehead and nose."""
    blotch = tile_at("blotch", u * 0.7, v * 0.7)
    albedo *= 1 + 0.05 * blotch + 0.025 * tile_at("fine", u, v)
    flush = _tint(0.10, -0.34, -0.32) * who.blush
    albedo *= 1 + flush * (canvas.redness + 0.2 * blotch)
    under, nostril, wing = canvas.hollows
    albedo *= 1 - _tint(0.14, 0.18, 0.12) * under * (0.5 + who.age)
    albedo *= 1 - _tint(0.85, 0.92, 0.92) * nostril
    albedo *= 1 - _tint(0.26, 0.36, 0.36) * wing
    gloss *= 1 + canvas.shine
    if who.feminine < 0.5:
        albedo *= 1 - _tint(0.16, 0.10, 0.06) * canvas.beards["full"] * (0.9 - who.feminine)


def _creases(canvas: Canvas) -> tuple[F32, F32]:
    """Wrinkles of forehead, eyes, mouth and neck: what everyone has, and what age adds."""
    px, py, pz = canvas.place
    side = np.abs(px)
    wave = 2.0 * np.sin(px * 0.09 + 2) + 0.4 * np.sin(px * 0.31)
    lines = sum(np.exp(-(((py - level - wave) / 1.1) ** 2)) for level in (70.0, 80.0, 90.0))
    aged = lines * _ramp(44, 22, side)
    fold_x = np.interp(py, [-52, -38, -22, -8], [36, 31, 24, 17]).astype(np.float32)
    fold = np.exp(-(((side - fold_x) / 1.6) ** 2)) * _ramp(-54, -42, py) * _ramp(-6, -14, py)
    for slope, start in ((0.28, 30.0), (0.0, 27.5), (-0.3, 25.0)):
        feet = np.exp(-(((py - start - slope * (side - 50)) / 0.9) ** 2)) * _ramp(48, 53, side) * _ramp(66, 57, side)
        aged = aged + 0.8 * feet
    bag_y = np.interp(side, [16, 22, 30, 40, 46], [24, 17.5, 15.5, 18.5, 23]).astype(np.float32)
    bag = np.exp(-(((py - bag_y) / 1.3) ** 2)) * _ramp(16, 22, side) * _ramp(47, 40, side)
    lid_y = np.interp(side, [18, 24, 32, 40, 47], [34, 39.5, 41, 39.5, 34]).astype(np.float32)
    lid = np.exp(-(((py - lid_y) / 0.9) ** 2)) * _ramp(17, 22, side) * _ramp(49, 43, side)
    for level in (-112.0, -128.0):
        aged = aged + 0.5 * np.exp(-(((py - level - 0.004 * px * px) / 1.4) ** 2))
    always = (0.22 * fold + 0.08 * bag + 0.9 * lid) * (pz > 0)
    return always.astype(np.float32), ((aged + 0.9 * fold + 0.55 * bag) * (pz > 0)).astype(np.float32)


def _freckles(canvas: Canvas, who: Person, albedo: F32, u: F32, v: F32) -> None:
    spots = tile_at("spots", u * 0.8, v * 0.8) * canvas.sun * who.freckles
    albedo *= 1 - _tint(0.35, 0.55, 0.62) * np.clip(spots, 0, 1)


def _moles(canvas: Canvas, who: Person, albedo: F32, rng: np.random.Generator) -> None:
    for _ in range(int(rng.poisson(1.2 + who.age))):
        x, y, size = rng.uniform(-60, 60), rng.uniform(-80, 90), rng.uniform(0.6, 1.5)
        spot = _blob(canvas, x, y, size, size, mirrored=False)
        _mix(albedo, who.skin * np.array([0.35, 0.25, 0.22]), 0.8 * spot)


def _scalp(canvas: Canvas, who: Person, albedo: F32, hairline: F32, u: F32, v: F32) -> None:
    """Hair roots; bald heads keep a trace of their crown of stubble."""
    strength = {"bald": 0.22, "buzz": 0.75}.get(who.hair_style, 0.85)
    edge = np.clip(hairline * 1.6 - 0.6 * tile_at("strands", u * 2.0, v * 2.0) * (hairline < 0.95), 0, 1)
    _mix(albedo, who.hair * 0.8 + 0.1 * who.skin, strength * edge * (0.8 + 0.2 * tile_at("grain", u, v)))


def _beards(canvas: Canvas) -> dict[str, F32]:
    """(SIDE, SIDE) 0 to 1 by kind of beard."""
    px, py, pz = canvas.place
    side = np.abs(px)
    lip = py + 0.22 * np.maximum(side - 6, 0)
    top = -23.0 - 0.012 * np.maximum(side - 5, 0) ** 2
    moustache = _ramp(30, 19, side) * _ramp(1.0, -2.5, py - top) * _ramp(-40, -35.5, lip)
    cheek = np.interp(side, [0, 18, 30, 45, 60, 72], [-52, -50, -38, -24, -6, 30]).astype(np.float32)
    jaw = _ramp(0, -7, py - cheek) * _ramp(-118, -100, py)
    chin = _ramp(20, 14, side) * _ramp(-52, -55, py) * _ramp(-102, -94, py)
    frame = np.exp(-(((side - 27) / 4.5) ** 2)) * _ramp(-26, -36, py) * _ramp(-66, -56, py)
    goatee = np.maximum(np.maximum(moustache, chin), frame)
    areas = {"moustache": moustache, "goatee": goatee, "full": np.maximum(goatee, jaw)}
    return {kind: np.where((pz > -25) & ~canvas.ear, area, 0).astype(np.float32) for kind, area in areas.items()}


def _beard(canvas: Canvas, who: Person, albedo: F32, height: F32, u: F32, v: F32) -> None:
    if who.beard == "none":
        return
    area = canvas.beards["full" if who.beard == "stubble" else who.beard]
    hairs = tile_at("strands", u * 2.3 + 0.6 * v, v * 0.9) * 0.65 + 0.35 * tile_at(
        "strands", u * 1.1 - 0.9 * v, v * 1.3
    )
    if who.beard == "stubble":
        cover = area * 0.55 * np.clip(0.35 + tile_at("grain", u * 1.0, v * 1.0), 0.15, 1)
        _mix(albedo, who.hair * 0.8 + who.skin * 0.05, cover)
        return
    cover = np.clip(area * 1.9 - hairs * (1.25 - 0.75 * area), 0, 1) * (0.8 + 0.2 * hairs)
    tone = (0.7 + 0.6 * hairs)[None] * who.hair[:, None, None].astype(np.float32)
    albedo += (tone * 0.95 - albedo) * cover
    height += 2.0 * cover * hairs + 0.6 * area


def _lips(canvas: Canvas, who: Person, albedo: F32, gloss: F32, u: F32) -> F32:
    """Vermilion between the outer lip landmarks, a dark seam, fine upright furrows."""
    outer = _curve(canvas.landmarks[48:60, :2])
    window = _window(canvas, canvas.landmarks[48:60], 10)
    x, y = canvas.place[0][window], canvas.place[1][window]
    distance, inside = _distance(x, y, outer, closed=True)
    signed = np.where(inside, distance, -distance)
    alpha = _ramp(-0.9, 0.9, signed) * (canvas.place[2][window] > 40)
    furrow = tile_at("strands", u[window] * 1.6, np.full_like(x, 40.0))
    part = albedo[:, window[0], window[1]]
    shade = (0.92 + 0.16 * furrow) * (1 - 0.12 * _ramp(2.5, 0, np.abs(signed)))
    part += (who.lips[:, None, None].astype(np.float32) * shade - part) * (alpha * 0.92)
    seam = np.concatenate([canvas.landmarks[[60, 61, 62, 63, 64], :2]]) * 0.5
    seam += canvas.landmarks[[60, 67, 66, 65, 64], :2] * 0.5
    line, _ = _distance(x, y, np.concatenate([canvas.landmarks[48:49, :2], seam, canvas.landmarks[54:55, :2]]), False)
    part *= 1 - _tint(0.55, 0.65, 0.6) * np.exp(-((line / 1.0) ** 2)) * (canvas.place[2][window] > 40)
    gloss[window] += alpha * (0.10 + 0.25 * who.liner * who.feminine)
    bump = np.zeros_like(gloss)
    bump[window] = alpha * (0.25 * furrow)
    return bump


def _eyelid(canvas: Canvas, who: Person, albedo: F32, side: int) -> None:
    """Lashes along the rim, stronger above; eye shadow on the lid."""
    loop = np.arange(42, 48) if side > 0 else np.arange(36, 42)
    points = canvas.landmarks[loop]
    window = _window(canvas, points, 14)
    x, y = canvas.place[0][window], canvas.place[1][window]
    distance, inside = _distance(x, y, _curve(points[:, :2]), closed=True)
    middle = (points[0, 1] + points[3, 1]) / 2
    upper = _ramp(middle - 1.5, middle + 1.5, y)
    outside = np.where(inside, 0, distance)
    reach = 0.55 + 0.75 * upper
    lash = np.exp(-((outside / reach) ** 2)) * (0.35 + 0.65 * upper) * min(1.0, who.liner + 0.15)
    part = albedo[:, window[0], window[1]]
    lid = np.exp(-((outside / 5.5) ** 2)) * upper
    rng = np.random.Generator(np.random.Philox(who.detail + 1))
    powder = who.skin * 0.3 + 0.08 * rng.random(3)
    part += (powder[:, None, None].astype(np.float32) - part) * (lid * who.shade)
    part *= 1 - _tint(0.22, 0.3, 0.3) * lid
    rim = np.exp(-((outside / 0.7) ** 2)) * (1 - upper) * 0.4
    part += (_tint(0.5, 0.22, 0.2) * who.skin.max() - part) * rim
    part += (_tint(0.012, 0.009, 0.008) - part) * lash


def _brow(canvas: Canvas, who: Person, albedo: F32, height: F32, side: int, shift: NDArray[np.int64]) -> None:
    """A brow along its five landmarks: hairs that rise at the nose and lie flat at the temple."""
    points = canvas.landmarks[22:27] if side > 0 else canvas.landmarks[17:22][::-1]
    window = _window(canvas, points, 12)
    x, y = side * canvas.place[0][window], canvas.place[1][window]
    knots = side * points[:, 0]
    centre = np.interp(x, knots, points[:, 1]).astype(np.float32)
    centre = (centre + np.interp(x - 3, knots, points[:, 1]) + np.interp(x + 3, knots, points[:, 1])) / 3
    along = (x - knots[0]) / (knots[-1] - knots[0])
    thickness = np.interp(along, [-0.08, 0.08, 0.35, 0.65, 1.0, 1.08], [1.0, 3.6, 4.2, 3.6, 1.6, 0.6]) * who.brow_width
    across = (y - centre - who.brow_lift * thickness + 0.6) / thickness
    slant = np.interp(along, [0, 0.3, 0.7, 1], [0.2, 0.9, 1.6, 2.2]).astype(np.float32)
    hairs = tile_at("strands", 5.0 * (x - slant * (y - centre)) + shift[0], 3.0 * y + 1.2 * x)
    body = np.clip(1 - np.abs(across) ** 2.2, 0, 1) * _ramp(-0.1, 0.1, along) * _ramp(1.1, 0.93, along)
    cover = np.clip(body * (0.75 + who.brow_density) - 0.55 * hairs * (1.4 - body), 0, 1) * who.brow_density
    part = albedo[:, window[0], window[1]]
    part += (who.brow[:, None, None].astype(np.float32) * (0.75 + 0.5 * hairs) - part) * np.minimum(cover * 1.25, 0.97)
    height[window] += 0.7 * cover * hairs
