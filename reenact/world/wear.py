"""Clothes with the shoulders under them, and glasses. Mean head's space, metres."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reenact.world.people import Person
from reenact.world.rng import CLIP, open_stream

Array = NDArray[np.float64]
CLOTH_SIDE = 160
"""Side of the cloth picture in texels."""
_AROUND, _LEVELS = 65, 20


@dataclass(frozen=True)
class Piece:
    """A mesh with a coordinate per vertex."""

    vertices: Array
    """(V, 3) vertices in metres."""
    faces: NDArray[np.int32]
    """(F, 3) vertex indices."""
    chart: Array
    """(V, 2) place in the piece's picture, 0 to 1."""


def _join_rings(rings: Array, closed: bool) -> NDArray[np.int32]:
    """Triangles between (levels, points) rings, outward when a ring runs from the front over the subject's left."""
    levels, points = rings.shape[:2]
    number = np.arange(levels * points, dtype=np.int32).reshape(levels, points)
    columns = np.arange(points if closed else points - 1)
    next_columns = (columns + 1) % points
    a, b, c, d = number[:-1, columns], number[:-1, next_columns], number[1:, next_columns], number[1:, columns]
    return np.concatenate([np.stack([a, d, c], -1).reshape(-1, 3), np.stack([a, c, b], -1).reshape(-1, 3)])


def build_torso(person: Person, build: float) -> Piece:
    """Neckline, shoulders and chest, from the collar down; the neck of the head mesh stands in it.

    Args:
        person: decides how broad the shoulders are.
        build: -1 slight to 1 heavy.
    """
    angle = np.linspace(0, 2 * np.pi, _AROUND)
    sine, cosine = np.sin(angle), np.cos(angle)
    # By level: height at side, front, back; half width; depth in front and behind; exponent. Millimetres.
    levels = np.array([
        [-112, -150, -100, 62, 50, 78, 2.0], [-116, -155, -104, 66, 56, 84, 2.0],
        [-126, -163, -112, 76, 60, 90, 2.0], [-137, -176, -124, 98, 62, 98, 2.0],
        [-147, -196, -140, 132, 68, 108, 2.1], [-160, -222, -160, 168, 80, 118, 2.3],
        [-182, -250, -184, 196, 92, 124, 2.5], [-214, -280, -216, 210, 102, 128, 2.6],
        [-262, -315, -262, 214, 110, 130, 2.6], [-330, -370, -330, 212, 116, 130, 2.6],
        [-460, -480, -460, 208, 120, 130, 2.6],
    ], float)  # fmt: skip
    fine = np.linspace(0, len(levels) - 1, _LEVELS)
    side, front, back, width, ahead, behind, power = (
        np.interp(fine, np.arange(len(levels)), column)[:, None] for column in levels.T
    )
    broad = 1 + (0.07 - 0.14 * person.feminine + 0.06 * build) * np.clip((width - 60) / 100, 0, 1)
    radius = (np.abs(sine) ** power + np.abs(cosine) ** power) ** (-1 / power)
    a, b, c = (front + 2 * side + back) / 4, (front - back) / 2, (front - 2 * side + back) / 4
    height = a + b * cosine + c * np.cos(2 * angle)
    x = width * broad * radius * sine
    z = -18 + np.where(cosine > 0, ahead, behind) * (1 + 0.08 * build) * radius * cosine
    points = np.stack([x, height, z], -1) * 1e-3
    chart = np.stack([0.5 + points[..., 0] / 0.46, (-0.09 - points[..., 1]) / 0.40], -1)
    chart[..., 1] = np.where(cosine[None] > -0.2, chart[..., 1], 0.9)
    return Piece(points.reshape(-1, 3), _join_rings(points, False), np.clip(chart, 0, 1).reshape(-1, 2))


def cloth_picture(seed: int, identity: int, clip: int, skin: Array) -> NDArray[np.float32]:
    """(CLOTH_SIDE, CLOTH_SIDE, 3) albedo of a clip's clothes over the torso's chart: x across, downwards."""
    rng = open_stream(seed, CLIP, identity, clip, 3)
    axis = (np.arange(CLOTH_SIDE) + 0.5) / CLOTH_SIDE
    y, x = np.meshgrid(axis, axis - 0.5, indexing="ij")
    side = np.abs(x)

    def dye(high: float = 0.7) -> Array:
        value, hue, chroma = rng.uniform(0.015, high) ** 1.3, rng.uniform(0, 6.28), rng.random() ** 1.3
        return np.asarray(np.clip(value * (1 + chroma * np.cos(hue - np.array([0, 2.09, 4.19]))), 0.01, 0.9))

    main, second = dye(), dye()
    picture = np.zeros((CLOTH_SIDE, CLOTH_SIDE, 3)) + main
    pattern = rng.integers(6)
    scale = rng.uniform(14, 34)
    if pattern == 1:
        picture[(y * scale) % 1 < 0.4] = second
    elif pattern == 2:
        picture[(x * scale * 1.4) % 1 < 0.12] = second
    elif pattern == 3:
        picture += (second - main) * (0.4 * ((x * scale) % 1 < 0.5) + 0.4 * ((y * scale) % 1 < 0.5))[..., None]
    picture *= 1 + 0.06 * rng.uniform(-1, 1, (CLOTH_SIDE, CLOTH_SIDE, 1))
    kind = rng.choice(["crew", "vee", "shirt", "suit", "open"], p=[0.3, 0.15, 0.2, 0.2, 0.15])
    neck = 0.14
    if kind == "suit":
        shirt = np.array([0.8, 0.8, 0.82]) if rng.random() < 0.6 else dye()
        lapel = side < 0.155 * np.clip(1 - (y - 0.12) / 0.75, 0, 1)
        picture[(side < 0.20 * np.clip(1 - (y - 0.12) / 0.75, 0, 1) + 0.01)] = main * 0.75
        picture[lapel] = shirt
        if rng.random() < 0.7:
            picture[side < 0.028 + 0.02 * np.clip(y - 0.2, 0, 1)] = second
        picture[(side < 0.13) & (y < neck + 0.075 - 0.2 * side)] = shirt * 0.93
        picture[side < 0.012 * (y < neck + 0.07)] = second * 0.8
    elif kind == "shirt":
        picture[side < 0.022] *= 0.88
        picture[(side < 0.02) & ((y * 11) % 1 < 0.12) & (side < 0.006)] = second
        collar = (side < 0.16) & (y < neck + 0.10 - 0.25 * np.abs(side - 0.07))
        picture[collar] = main * 1.15
        picture[(side < 0.035 * np.clip(1 - (y - 0.1) / 0.13, 0, 1))] = skin
    else:
        depth = {"crew": 0.0, "vee": 0.14, "open": 0.09}[str(kind)]
        line = (
            neck + depth * np.clip(1 - side / 0.12, 0, 1)
            if kind == "vee"
            else neck + depth * np.clip(1 - (side / 0.16) ** 2, 0, 1)
        )
        hem = rng.uniform(0.012, 0.03)
        shade = 0.8 if rng.random() < 0.6 else 0.0
        collar = y < line + hem
        picture[collar] = (main * shade) if shade else second
        if depth:
            picture[y < line] = skin
    return np.clip(picture, 0.005, 0.95).astype(np.float32)


def _build_tube(path: Array, radius: Array, sides: int = 6) -> tuple[Array, NDArray[np.int32]]:
    """A tube of (N, 2) half heights across and along z around a (N, 3) path."""
    tangent = np.gradient(path, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True) + 1e-12
    up = np.cross(np.array([0.0, 0.0, 1.0]) + 0.2 * np.roll(tangent, 1, 1), tangent)
    up /= np.linalg.norm(up, axis=1, keepdims=True) + 1e-12
    side = np.cross(tangent, up)
    angle = np.arange(sides) * (2 * np.pi / sides)
    rings = path[:, None] + up[:, None] * (radius[:, 0, None] * np.cos(angle))[..., None]
    rings = rings + side[:, None] * (radius[:, 1, None] * np.sin(angle))[..., None]
    return rings.reshape(-1, 3), _join_rings(rings, True)


def build_glasses(person: Person, eyes: Array, ears: Array, bridge: float) -> Piece:
    """A frame in front of the eyes, its temples reaching over the ears.

    Args:
        person: decides the kind.
        eyes: (2, 3) centres of the left and right eyeball of the mean head.
        ears: (2, 3) where left and right temple rest.
        bridge: z of the bridge of the nose.
    """
    angle = np.linspace(0, 2 * np.pi, 41)
    power = {"round": 2.0, "square": 3.6, "half": 2.8}[person.glasses]
    width, height = {"round": (23, 21), "square": (26, 18.5), "half": (25, 17)}[person.glasses]
    thick = {"round": 0.9, "square": 1.7, "half": 1.0}[person.glasses]
    radius = (np.abs(np.sin(angle)) ** power + np.abs(np.cos(angle)) ** power) ** (-1 / power)
    parts: list[tuple[Array, NDArray[np.int32]]] = []
    plane = bridge + 0.004
    for eye, ear, sign in zip(eyes, ears, (1, -1), strict=True):
        x = eye[0] + sign * 0.0025 + sign * 1e-3 * width * radius * np.cos(angle)
        y = eye[1] - 0.003 + 1e-3 * height * radius * np.sin(angle)
        z = plane - 4.5 * np.maximum(np.abs(x) - 0.02, 0) ** 2 / 0.5
        weight = np.full((len(angle), 2), thick * 1e-3)
        if person.glasses == "half":
            weight *= np.clip(0.35 + np.sin(angle) * 3, 0.28, 1)[:, None]
        parts.append(_build_tube(np.stack([x, y, z], -1), weight))
        hinge = np.array([eye[0] + sign * (0.0025 + 1e-3 * width), eye[1] + 0.004, z[0]])
        fraction = np.linspace(0, 1, 8)[:, None]
        out = np.array([sign * 0.004, 0, 0]) * np.sin(np.pi * fraction)
        parts.append(_build_tube(hinge + fraction * (ear - hinge) + out, np.full((8, 2), max(thick, 1.1) * 1e-3), 4))
    inner = abs(eyes[0, 0]) + 0.0025 - 1e-3 * width
    across = np.linspace(-inner, inner, 9)
    arc = np.stack([across, eyes[0, 1] + 0.003 + 0.003 * (1 - (across / inner) ** 2), np.full(9, plane + 0.001)], -1)
    parts.append(_build_tube(arc, np.full((9, 2), thick * 1e-3)))
    vertices, faces, count = [], [], 0
    for points, triangles in parts:
        faces.append(triangles + count)
        vertices.append(points)
        count += len(points)
    joined = np.concatenate(vertices)
    return Piece(joined, np.concatenate(faces).astype(np.int32), np.zeros((len(joined), 2)))
