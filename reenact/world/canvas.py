"""The skin chart: a picture of the mean head's skin in which features are placed in millimetres.

It is a stereographic picture of the mean head around a point inside it, seen from the front: u to the subject's left,
v down, both 0 to 1. Every texel knows the place of the mean head it shows; since all heads share the mean head's
vertices, the paint moves with shape and expression.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from reenact.world.kernels import rasterize
from reenact.world.textures import draw_tiles

F32 = NDArray[np.float32]

SIDE = 512
"""Side of the skin chart in texels; near the front one texel is about a millimetre."""
_CENTRE = np.array([0.0, 0.01, -0.01])
_REACH = 1.25


def project_to_chart(points: NDArray[np.floating]) -> F32:
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
    """Position of each texel on the mean head, and the places that features are laid out by."""

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
            np.ones((len(vertices), 4), np.float32), draw_tiles()["strands"], SIDE, index, weights, depth,
        )  # fmt: skip
        corner = vertices[faces[np.maximum(index, 0)]]
        bary = np.concatenate([weights, 1 - weights.sum(-1, keepdims=True)], -1)
        place = (corner * bary[..., None]).sum(-2) * 1e3
        place[index < 0] = (0, -200, -100)
        on_ear = ears[np.maximum(index, 0)] & (index >= 0)
        return cls(np.ascontiguousarray(np.moveaxis(place, -1, 0), np.float32), on_ear, landmarks * 1e3)

    @cached_property
    def redness(self) -> F32:
        """(SIDE, SIDE) visibility of blood under the skin, highest at cheeks, nose, chin and ears."""
        px, py, _ = self.place
        red = (
            0.55 * draw_blob(self, 44, -8, 14, 13)
            + 0.5 * draw_blob(self, 0, -12, 10, 7)
            + 0.2 * draw_blob(self, 0, -76, 14, 8)
        )
        return np.asarray(red + 0.5 * step_smoothly(68, 78, np.abs(px)) * (np.abs(py) < 35), np.float32)

    @cached_property
    def shine(self) -> F32:
        """(SIDE, SIDE) oiliness of the skin, highest at forehead, nose and cheek bones."""
        forehead, nose, cheeks = (
            draw_blob(self, 0, 85, 35, 18),
            draw_blob(self, 0, 0, 6, 20),
            draw_blob(self, 42, 5, 12, 9),
        )
        return np.asarray(0.8 * forehead + nose + 0.4 * cheeks, np.float32)

    @cached_property
    def sun(self) -> F32:
        """(SIDE, SIDE) density of freckles, 0 to 1."""
        return np.clip(draw_blob(self, 26, 0, 26, 20) + 0.5 * draw_blob(self, 0, 80, 40, 20), 0, 1)

    @cached_property
    def hollows(self) -> tuple[F32, F32, F32]:
        """Shade under the eyes; the nostrils; the creases around the wings of the nose."""
        under = draw_blob(self, 30, 19, 10, 4.5) + 0.6 * draw_blob(self, 19, 27, 4, 6)
        wing = draw_blob(self, 16.2, -13.5, 1.5, 4.5) + 0.7 * draw_blob(self, 10, -22.4, 5.0, 1.1)
        return under, np.clip(1.3 * draw_blob(self, 6.4, -19.6, 2.3, 1.3), 0, 1), np.clip(wing, 0, 1)

    @cached_property
    def creases(self) -> tuple[F32, F32]:
        """Depth of the creases that everyone has, and of those that age adds."""
        return _draw_creases(self)

    @cached_property
    def beards(self) -> dict[str, F32]:
        """(SIDE, SIDE) density of each kind of beard, 0 to 1."""
        return _draw_beards(self)


def draw_blob(canvas: Canvas, x: float, y: float, width: float, height: float, mirrored: bool = True) -> F32:
    """Gaussian at (x, y) mm of the front, mirrored to both sides, with standard deviations in mm."""
    px, py, pz = canvas.place
    side = np.abs(px) if mirrored else px
    return np.asarray(np.exp(-0.5 * (((side - x) / width) ** 2 + ((py - y) / height) ** 2)) * (pz > 0), np.float32)


def step_smoothly(low: float, high: float, value: F32) -> F32:
    """Hermite step from 0 at `low` to 1 at `high`, which may lie below `low`."""
    x = np.clip((value - low) / (high - low), 0, 1)
    return np.asarray(x * x * (3 - 2 * x), np.float32)


def blend_colour(albedo: F32, colour: NDArray[np.float64], alpha: F32) -> None:
    """Blend a colour into (3, N, N) albedo, in place."""
    albedo += (np.asarray(colour, np.float32)[:, None, None] - albedo) * alpha


def build_tint(red: float, green: float, blue: float) -> F32:
    """(3, 1, 1) factor or colour for (3, N, N) albedo."""
    return np.array([[[red]], [[green]], [[blue]]], np.float32)


def _draw_creases(canvas: Canvas) -> tuple[F32, F32]:
    """Wrinkles of forehead, eyes, mouth and neck: what everyone has, and what age adds."""
    px, py, pz = canvas.place
    side = np.abs(px)
    wave = 2.0 * np.sin(px * 0.09 + 2) + 0.4 * np.sin(px * 0.31)
    lines = sum(np.exp(-(((py - level - wave) / 1.1) ** 2)) for level in (70.0, 80.0, 90.0))
    aged = lines * step_smoothly(44, 22, side)
    fold_x = np.interp(py, [-52, -38, -22, -8], [36, 31, 24, 17]).astype(np.float32)
    fold = np.exp(-(((side - fold_x) / 1.6) ** 2)) * step_smoothly(-54, -42, py) * step_smoothly(-6, -14, py)
    for slope, start in ((0.28, 30.0), (0.0, 27.5), (-0.3, 25.0)):
        feet = (
            np.exp(-(((py - start - slope * (side - 50)) / 0.9) ** 2))
            * step_smoothly(48, 53, side)
            * step_smoothly(66, 57, side)
        )
        aged = aged + 0.8 * feet
    bag_y = np.interp(side, [16, 22, 30, 40, 46], [24, 17.5, 15.5, 18.5, 23]).astype(np.float32)
    bag = np.exp(-(((py - bag_y) / 1.3) ** 2)) * step_smoothly(16, 22, side) * step_smoothly(47, 40, side)
    lid_y = np.interp(side, [18, 24, 32, 40, 47], [34, 39.5, 41, 39.5, 34]).astype(np.float32)
    lid = np.exp(-(((py - lid_y) / 0.9) ** 2)) * step_smoothly(17, 22, side) * step_smoothly(49, 43, side)
    for level in (-112.0, -128.0):
        aged = aged + 0.5 * np.exp(-(((py - level - 0.004 * px * px) / 1.4) ** 2))
    always = (0.22 * fold + 0.08 * bag + 0.9 * lid) * (pz > 0)
    return always.astype(np.float32), ((aged + 0.9 * fold + 0.55 * bag) * (pz > 0)).astype(np.float32)


def _draw_beards(canvas: Canvas) -> dict[str, F32]:
    """(SIDE, SIDE) 0 to 1 by kind of beard."""
    px, py, pz = canvas.place
    side = np.abs(px)
    lip = py + 0.22 * np.maximum(side - 6, 0)
    top = -23.0 - 0.012 * np.maximum(side - 5, 0) ** 2
    moustache = step_smoothly(30, 19, side) * step_smoothly(1.0, -2.5, py - top) * step_smoothly(-40, -35.5, lip)
    cheek = np.interp(side, [0, 18, 30, 45, 60, 72], [-52, -50, -38, -24, -6, 30]).astype(np.float32)
    jaw = step_smoothly(0, -7, py - cheek) * step_smoothly(-118, -100, py)
    chin = step_smoothly(20, 14, side) * step_smoothly(-52, -55, py) * step_smoothly(-102, -94, py)
    frame = np.exp(-(((side - 27) / 4.5) ** 2)) * step_smoothly(-26, -36, py) * step_smoothly(-66, -56, py)
    goatee = np.maximum(np.maximum(moustache, chin), frame)
    areas = {"moustache": moustache, "goatee": goatee, "full": np.maximum(goatee, jaw)}
    return {kind: np.where((pz > -25) & ~canvas.ear, area, 0).astype(np.float32) for kind, area in areas.items()}
