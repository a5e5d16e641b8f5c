"""Features painted along the landmarks of the mean head: lips, lashes and lids, brows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reenact.world.canvas import F32, SIDE, Canvas, build_tint, project_to_chart, step_smoothly
from reenact.world.people import Person
from reenact.world.textures import tile_at


def _find_window(canvas: Canvas, points: NDArray[np.float64], margin: float) -> tuple[slice, slice]:
    """The part of the chart around (N, 3) places in mm, with a margin in texels."""
    texel = project_to_chart(points * 1e-3) * SIDE
    low = np.maximum(texel.min(0) - margin, 0).astype(int)
    high = np.minimum(texel.max(0) + margin, SIDE).astype(int)
    return slice(low[1], high[1]), slice(low[0], high[0])


def _measure_distance(x: F32, y: F32, line: NDArray[np.float64], closed: bool) -> tuple[F32, NDArray[np.bool_]]:
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


def _interpolate_curve(points: NDArray[np.float64], steps: int = 5) -> NDArray[np.float64]:
    """A Catmull-Rom curve through closed (N, 2) points."""
    previous, following, after = np.roll(points, 1, 0), np.roll(points, -1, 0), np.roll(points, -2, 0)
    t = (np.arange(steps) / steps)[:, None, None]
    a, b = -previous + following, 2 * previous - 5 * points + 4 * following - after
    c = -previous + 3 * points - 3 * following + after
    return np.swapaxes(points + 0.5 * (a * t + b * t**2 + c * t**3), 0, 1).reshape(-1, 2)


def paint_lips(canvas: Canvas, person: Person, albedo: F32, gloss: F32, u: F32) -> F32:
    """Vermilion between the outer lip landmarks, a dark seam, fine upright furrows."""
    outer = _interpolate_curve(canvas.landmarks[48:60, :2])
    window = _find_window(canvas, canvas.landmarks[48:60], 10)
    x, y = canvas.place[0][window], canvas.place[1][window]
    distance, inside = _measure_distance(x, y, outer, closed=True)
    signed = np.where(inside, distance, -distance)
    alpha = step_smoothly(-0.9, 0.9, signed) * (canvas.place[2][window] > 40)
    furrow = tile_at("strands", u[window] * 1.6, np.full_like(x, 40.0))
    part = albedo[:, window[0], window[1]]
    shade = (0.92 + 0.16 * furrow) * (1 - 0.12 * step_smoothly(2.5, 0, np.abs(signed)))
    part += (person.lips[:, None, None].astype(np.float32) * shade - part) * (alpha * 0.92)
    seam = np.concatenate([canvas.landmarks[[60, 61, 62, 63, 64], :2]]) * 0.5
    seam += canvas.landmarks[[60, 67, 66, 65, 64], :2] * 0.5
    line, _ = _measure_distance(
        x, y, np.concatenate([canvas.landmarks[48:49, :2], seam, canvas.landmarks[54:55, :2]]), False
    )
    part *= 1 - build_tint(0.55, 0.65, 0.6) * np.exp(-((line / 1.0) ** 2)) * (canvas.place[2][window] > 40)
    gloss[window] += alpha * (0.10 + 0.25 * person.liner * person.feminine)
    bump = np.zeros_like(gloss)
    bump[window] = alpha * (0.25 * furrow)
    return bump


def paint_eyelid(canvas: Canvas, person: Person, albedo: F32, side: int) -> None:
    """Lashes along the rim, stronger above; eye shadow on the lid."""
    loop = np.arange(42, 48) if side > 0 else np.arange(36, 42)
    points = canvas.landmarks[loop]
    window = _find_window(canvas, points, 14)
    x, y = canvas.place[0][window], canvas.place[1][window]
    distance, inside = _measure_distance(x, y, _interpolate_curve(points[:, :2]), closed=True)
    middle = (points[0, 1] + points[3, 1]) / 2
    upper = step_smoothly(middle - 1.5, middle + 1.5, y)
    outside = np.where(inside, 0, distance)
    reach = 0.55 + 0.75 * upper
    lash = np.exp(-((outside / reach) ** 2)) * (0.35 + 0.65 * upper) * min(1.0, person.liner + 0.15)
    part = albedo[:, window[0], window[1]]
    lid = np.exp(-((outside / 5.5) ** 2)) * upper
    rng = np.random.Generator(np.random.Philox(person.detail + 1))
    powder = person.skin * 0.3 + 0.08 * rng.random(3)
    part += (powder[:, None, None].astype(np.float32) - part) * (lid * person.shade)
    part *= 1 - build_tint(0.22, 0.3, 0.3) * lid
    rim = np.exp(-((outside / 0.7) ** 2)) * (1 - upper) * 0.4
    part += (build_tint(0.5, 0.22, 0.2) * person.skin.max() - part) * rim
    part += (build_tint(0.012, 0.009, 0.008) - part) * lash


def paint_brow(canvas: Canvas, person: Person, albedo: F32, height: F32, side: int, shift: NDArray[np.int64]) -> None:
    """A brow along its five landmarks: hairs that rise at the nose and lie flat at the temple."""
    points = canvas.landmarks[22:27] if side > 0 else canvas.landmarks[17:22][::-1]
    window = _find_window(canvas, points, 12)
    x, y = side * canvas.place[0][window], canvas.place[1][window]
    knots = side * points[:, 0]
    centre = np.interp(x, knots, points[:, 1]).astype(np.float32)
    centre = (centre + np.interp(x - 3, knots, points[:, 1]) + np.interp(x + 3, knots, points[:, 1])) / 3
    along = (x - knots[0]) / (knots[-1] - knots[0])
    thickness = (
        np.interp(along, [-0.08, 0.08, 0.35, 0.65, 1.0, 1.08], [1.0, 3.6, 4.2, 3.6, 1.6, 0.6]) * person.brow_width
    )
    across = (y - centre - person.brow_lift * thickness + 0.6) / thickness
    slant = np.interp(along, [0, 0.3, 0.7, 1], [0.2, 0.9, 1.6, 2.2]).astype(np.float32)
    hairs = tile_at("strands", 5.0 * (x - slant * (y - centre)) + shift[0], 3.0 * y + 1.2 * x)
    body = np.clip(1 - np.abs(across) ** 2.2, 0, 1) * step_smoothly(-0.1, 0.1, along) * step_smoothly(1.1, 0.93, along)
    cover = np.clip(body * (0.75 + person.brow_density) - 0.55 * hairs * (1.4 - body), 0, 1) * person.brow_density
    part = albedo[:, window[0], window[1]]
    part += (person.brow[:, None, None].astype(np.float32) * (0.75 + 0.5 * hairs) - part) * np.minimum(
        cover * 1.25, 0.97
    )
    height[window] += 0.7 * cover * hairs
