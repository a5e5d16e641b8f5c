"""Hair as shells of strands: sheets that leave the scalp along strand paths, thinned out by noise at their edges.

Built on the mean head, in metres; the scene carries it over to a person's own skull. `azimuth` runs from the front (0)
to the subject's left (positive) and back (pi); `polar` from straight up (0) downwards, both around `CENTRE`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from reenact.world.people import Person

Array = NDArray[np.float64]
CENTRE = np.array([0.0, 0.055, -0.008])
COLUMNS = 89
"""Strand paths around the head."""
LEAVE = 0.5
"""Share of a hanging strand's vertices that lie on the skull."""
# The hair's edge: polar angle (degrees) over |azimuth| (degrees).
_EDGE_AZIMUTH = np.array([0, 22, 40, 52, 62, 74, 84, 91, 98, 112, 126, 140, 160, 180.0])
_EDGE_POLAR = np.array([64, 64, 67, 76, 88, 101, 112, 108, 103, 104, 119, 131, 136, 137.0])
_RECEDED = np.array([50, 36, 38, 62, 82, 100, 118, 121, 106, 104, 119, 131, 136, 137.0])
_WREATH = np.array([0, 0, 0, 40, 70, 84, 98, 112, 100, 98, 116, 130, 135, 136.0])


@dataclass(frozen=True, kw_only=True)
class Style:
    """Numbers behind a style's name."""

    top: float
    """Thickness over the crown in mm."""
    side: float
    """Thickness at the sides in mm."""
    tip: float
    """Height in mm at which hanging strands end; strands end at the hair's edge where it is above 60."""
    wave: float = 0.0
    """Amplitude of curls in mm."""
    wavelength: float = 40.0
    """Length of curls in mm."""
    edge: float = 0.25
    """Share of a strand over which the hair thins out towards its end."""
    lift: float = 0.0
    """Extra thickness at the front in mm: a fringe or quiff."""
    drop: float = 0.0
    """Degrees by which the front passes the hairline."""
    layers: int = 2
    rows: int = 22
    """Vertices along a strand."""
    combed: bool = False
    """Combed back: roots, not tips, lie along the hairline."""


STYLES = {
    "buzz": Style(top=2.2, side=1.6, tip=99, edge=0.10, layers=1, combed=True),
    "receding": Style(top=6.0, side=5.0, tip=99, edge=0.12, combed=True),
    "short": Style(top=11.0, side=4.5, tip=99, wave=1.2, edge=0.12, lift=4.0, combed=True),
    "swept": Style(top=14.0, side=5.0, tip=99, wave=1.5, edge=0.1, lift=12.0, combed=True),
    "fringe": Style(top=13.0, side=8.0, tip=99, wave=1.2, edge=0.28, lift=5.0, drop=15.0),
    "curly": Style(top=22.0, side=15.0, tip=99, wave=5.0, wavelength=24, edge=0.3, lift=5.0, drop=3.0, layers=3),
    "afro": Style(top=46.0, side=38.0, tip=99, wave=3.5, wavelength=15, edge=0.22, layers=3),
    "bob": Style(top=12.0, side=12.0, tip=-72, wave=1.5, edge=0.12, rows=40),
    "long": Style(top=11.0, side=11.0, tip=-190, wave=2.0, edge=0.12, rows=40),
    "wavy": Style(top=15.0, side=16.0, tip=-165, wave=7.0, wavelength=55, edge=0.15, rows=40),
    "bun": Style(top=5.5, side=4.5, tip=99, edge=0.08, combed=True),
}


@dataclass(frozen=True)
class Hair:
    """A head of hair over the mean head."""

    vertices: Array
    """(V, 3) vertices in metres."""
    faces: NDArray[np.int32]
    """(F, 3) vertex indices."""
    strand: Array
    """(V, 3) strand coordinate, position along the strand (both in texels of the strand tile), density."""


def edge_polar(style: str, azimuth: Array, person: Person) -> Array:
    """Polar angle in radians at which a style's hair ends, by azimuth in radians."""
    knots = {"receding": _RECEDED, "bald": _WREATH}.get(style, _EDGE_POLAR).copy()
    ragged = np.random.Generator(np.random.Philox(person.detail + 3))
    knots[:3] += ragged.normal(0, 2.0) - 2.0 * person.age
    knots[1:4] -= 6.0 * max(ragged.normal(0.2, 0.5), 0) * (1 - person.feminine)
    degrees = np.interp(np.abs(np.degrees(azimuth)), _EDGE_AZIMUTH, knots)
    return np.asarray(np.radians(degrees + 1.2 * np.sin(9 * azimuth + person.detail % 5) + 0.8 * np.sin(23 * azimuth)))


@dataclass(frozen=True)
class Scalp:
    """Polar coordinates around the skull of each texel of the skin chart."""

    polar: Array
    azimuth: Array
    ear: NDArray[np.bool_]

    @classmethod
    def of(cls, place: NDArray[np.float32], ear: NDArray[np.bool_]) -> Scalp:
        """Compute the coordinates from the (3, N, N) places of texels on the mean head, in mm, and a mask of ears."""
        offset = place.astype(np.float64) * 1e-3 - CENTRE[:, None, None]
        polar = np.arccos(np.clip(offset[1] / np.sqrt((offset**2).sum(0) + 1e-12), -1, 1))
        return cls(polar, np.arctan2(offset[0], offset[2]), ear)

    def cover(self, person: Person) -> NDArray[np.float32]:
        """(N, N) where a person's hair grows, 0 to 1."""
        table = np.linspace(-np.pi, np.pi, 721)
        limit = np.interp(self.azimuth, table, edge_polar(person.hair_style, table, person))
        return np.where(self.ear, 0, np.clip((limit - self.polar) / 0.07 + 0.2, 0, 1)).astype(np.float32)


def _compute_direction(polar: Array, azimuth: Array) -> Array:
    sine = np.sin(polar)
    return np.stack([sine * np.sin(azimuth), np.cos(polar), sine * np.cos(azimuth)], -1)


class Skull:
    """The mean head as hair sees it: distance from `CENTRE` to the scalp by direction, and the skin's outside.

    Args:
        vertices: (V, 3) skin of the mean head in metres.
        normals: (V, 3) its unit normals.
    """

    def __init__(self, vertices: Array, normals: Array) -> None:
        self._tree, self._vertices, self._normals = cKDTree(vertices), vertices, normals
        offset = vertices - CENTRE
        keep = (vertices[:, 1] > -0.06) & ((np.abs(vertices[:, 0]) < 0.0735) | (vertices[:, 1] > 0.05))
        radius = np.linalg.norm(offset, axis=1)
        polar, azimuth = np.arccos(offset[:, 1] / radius), np.arctan2(offset[:, 0], offset[:, 2])
        self._table = np.zeros((37, 73))
        grid_polar, grid_azimuth = np.meshgrid(np.linspace(0, np.pi, 37), np.linspace(-np.pi, np.pi, 73), indexing="ij")
        directions = _compute_direction(grid_polar, grid_azimuth).reshape(-1, 3)
        units = _compute_direction(polar, azimuth)[keep]
        nearness = np.exp(90.0 * (directions[:, None, :] * units[None]).sum(-1) - 90.0)
        self._table[:] = ((nearness * radius[keep]).sum(1) / nearness.sum(1)).reshape(37, 73)

    def __call__(self, polar: Array, azimuth: Array) -> Array:
        """Radius in metres, bilinearly."""
        row = np.clip(polar * (36 / np.pi), 0, 35.999)
        column = np.clip((azimuth + np.pi) * (72 / (2 * np.pi)), 0, 71.999)
        i, j = row.astype(int), column.astype(int)
        a, b = row - i, column - j
        t = self._table
        top = t[i, j] * (1 - b) + t[i, j + 1] * b
        return np.asarray(top * (1 - a) + (t[i + 1, j] * (1 - b) + t[i + 1, j + 1] * b) * a)

    def outside(self, points: Array, distance: float) -> Array:
        """Push (N, 3) points out until they are `distance` above the skin."""
        near = np.asarray(self._tree.query(points, k=3)[1])
        height = ((points[:, None] - self._vertices[near]) * self._normals[near]).sum(-1).min(1)
        return np.asarray(points + np.maximum(distance - height, 0)[:, None] * self._normals[near[:, 0]])


def _compute_paths(style: Style, person: Person, name: str) -> tuple[Array, Array, Array]:
    """Polar and azimuth (COLUMNS, rows) of the strands over the skull, and how far each hangs, 0 to 1."""
    start = np.linspace(-np.pi, np.pi, COLUMNS)
    fraction = np.linspace(0, 1, style.rows)
    hanging = np.zeros(COLUMNS)
    if style.tip < 60:
        hanging[:] = 1.0
        # Strands over the forehead start along the parting and are combed aside, to hang in front of the ears.
        part, reach = 0.3 * person.parting, np.radians(75)
        beside = np.clip(np.abs(start - part) / reach, 0, 1)
        end = np.sign(start - part) * np.maximum(np.abs(start), np.radians(58) + np.radians(28) * beside)
        begin = np.where(beside < 1, part + (start - part) * beside**6, start)
        bend = np.clip(fraction / (LEAVE - 0.03), 0, 1)
        azimuth = begin[:, None] + (end - begin)[:, None] * (bend * bend * (3 - 2 * bend))
        first = edge_polar(name, begin, person) * (1 - beside) ** 0.8
        last = np.radians(97)
        polar = first[:, None] + (last - first)[:, None] * np.clip(fraction / (LEAVE + 0.06), 0, 1)[None]
        return np.minimum(polar, np.minimum(edge_polar(name, azimuth, person) + 0.02, last)), azimuth, hanging
    azimuth = np.broadcast_to(start[:, None], (COLUMNS, style.rows)) + 0.0
    limit = edge_polar(name, start, person)
    front = np.clip(1 - np.abs(start) / np.radians(58), 0, 1)
    polar = limit[:, None] * fraction[None] + np.radians(style.drop) * front[:, None] * fraction[None] ** 2
    if name == "swept":
        azimuth = (
            azimuth + 0.5 * np.sign(person.parting) * np.sin(np.pi * fraction)[None] * np.cos(start / 2)[:, None] ** 2
        )
    return polar, azimuth, hanging


def _build_layer(style: Style, person: Person, name: str, skull: Skull, depth: float, seed: int) -> tuple[Array, Array]:
    """One sheet: (COLUMNS, rows, 3) positions and strand coordinates; `depth` 1 is the outermost."""
    rng = np.random.Generator(np.random.Philox(person.detail + 10 + seed))
    fraction = np.linspace(0, 1, style.rows)
    polar, azimuth, hanging = _compute_paths(style, person, name)
    crown = np.clip(1 - polar / np.radians(95), 0, 1)
    front = np.clip(1 - np.abs(azimuth) / np.radians(62), 0, 1) ** 0.7
    lift = style.lift * front * np.sin(np.pi * np.clip(fraction * 0.9, 0, 1))[None] ** 2
    thick = (style.side + (style.top - style.side) * crown**0.6 + lift) * person.volume * depth
    if style.tip >= 60:
        front_edge = 0.12 + (0.35 * front[:, -1:] if name == "swept" else 0.0)
        thick = thick * np.maximum(np.clip((1.0 - fraction) / 0.35, 0, 1)[None], front_edge) ** 0.6 + 1.0
    phase = rng.uniform(0, 2 * np.pi, 4)
    lumps = sum(np.sin((3 + 4 * k) * azimuth + (4 + 3 * k) * polar + phase[k]) for k in range(4)) / 4
    thick = np.maximum(thick * (1 + 0.22 * lumps), 0.8)
    turns = polar * 95 / style.wavelength * 2 * np.pi
    ripple = style.wave * np.sin(turns + 7 * lumps + 3.1 * np.sin(11 * azimuth + phase[0]))
    radius = skull(polar, azimuth) + 1e-3 * (thick + 0.6 * ripple * np.clip(fraction * 3, 0, 1))
    points = CENTRE + radius[..., None] * _compute_direction(polar, azimuth)
    if hanging.any():
        points = _hang_strands(points, style, fraction, depth, phase)
    length = np.concatenate([np.zeros((COLUMNS, 1)), np.cumsum(np.linalg.norm(np.diff(points, axis=1), axis=2), 1)], 1)
    ends = rng.uniform(0.0, 0.4, COLUMNS)
    end_fade = np.clip((1.0 - fraction[None]) / (style.edge * (0.6 + ends[:, None] * (not style.combed))), 0, 1)
    density = np.clip(0.08 + 1.3 * end_fade, 0, 1.2) * (1.0 if seed == 0 else 0.93)
    if depth > 0.9 and style.layers > 1:
        density = density * 0.82
    across = np.linspace(0, COLUMNS - 1, COLUMNS)[:, None] * 9.0 + 61 * seed
    across = across + 0.5 * style.wave * np.sin(length * 1e3 / style.wavelength * 2 * np.pi + lumps * 4)
    stretch = 1500 if style.combed else 700
    return points, np.stack([across + np.zeros_like(length), length * stretch + 17 * seed, density], -1)


def _hang_strands(points: Array, style: Style, fraction: Array, depth: float, phase: Array) -> Array:
    """Let the strands fall from where they leave the skull, outside of ears, neck and shoulders."""
    fall = np.clip((fraction - LEAVE) / (1 - LEAVE), 0, 1)
    anchor = points[:, int(LEAVE * (style.rows - 1))]
    tip = style.tip * 1e-3 + 0.012 * np.sin(3 * np.linspace(-np.pi, np.pi, COLUMNS) + phase[1])
    height = anchor[:, None, 1] + (np.minimum(tip, anchor[:, 1] - 0.02) - anchor[:, 1])[:, None] * fall[None]
    flat = anchor[:, None, [0, 2]] * np.ones((1, style.rows, 1))
    outward = flat / np.linalg.norm(flat, axis=-1, keepdims=True)
    below = np.clip((0.03 - height) * 1e3, 0, 250)
    wave = style.wave * np.sin(
        below * (2 * np.pi / style.wavelength) + phase[2] + 5 * np.arctan2(flat[..., 0], flat[..., 1])
    )
    reach = 0.4 * np.clip(below, 0, 40) * (np.abs(flat[..., 0]) > 0.04) * 0.35 + wave - 0.05 * below + 4 * depth
    flat = flat + outward * (1e-3 * reach)[..., None]
    flat[..., 0] = np.sign(flat[..., 0]) * np.maximum(np.abs(flat[..., 0]), 0.083 * (np.abs(flat[..., 0]) > 0.055))
    fallen = np.stack([flat[..., 0], height, flat[..., 1]], -1)
    blend = np.clip(fall * 5, 0, 1)[None, :, None]
    return points * (1 - blend) + fallen * blend


def _grid_faces(points: Array) -> NDArray[np.int32]:
    """Triangles of a (columns, rows, 3) vertex grid; neighbours that a parting drives apart are not joined."""
    columns, rows = points.shape[:2]
    number = np.arange(columns * rows, dtype=np.int32).reshape(columns, rows)
    a, b, c, d = number[:-1, :-1], number[1:, :-1], number[1:, 1:], number[:-1, 1:]
    gap = np.linalg.norm(np.diff(points, axis=0), axis=-1)
    near = np.maximum(gap[:, :-1], gap[:, 1:]) < 0.045
    return np.concatenate([np.stack([a, d, c], -1)[near], np.stack([a, c, b], -1)[near]])


def _build_knot(person: Person, skull: Skull) -> tuple[Array, Array]:
    """A bun behind the crown: (COLUMNS // 2, 12, 3) positions and strand coordinates."""
    columns, rows = COLUMNS // 2, 12
    polar = np.radians(32 + 25 * (person.parting * 0.5 + 0.5))
    centre = CENTRE + (skull(np.array(polar), np.array(np.pi)) + 0.018) * _compute_direction(
        np.array(polar), np.array(np.pi)
    )
    around, up = np.meshgrid(np.linspace(-np.pi, np.pi, columns), np.linspace(0.02, np.pi - 0.02, rows), indexing="ij")
    radius = (0.030 + 0.006 * person.volume) * (1 + 0.05 * np.sin(6 * up + 2 * around))
    points = centre + radius[..., None] * _compute_direction(up, around)
    strand = np.stack([up * 90 + 12 * np.sin(around), around * 40, np.full_like(up, 1.2)], -1)
    return points, strand


def make_hair(person: Person, skull: Skull) -> Hair | None:
    """A person's hair over the mean head; None for the bald."""
    style = STYLES.get(person.hair_style)
    if style is None:
        return None
    sheets = [_build_layer(style, person, person.hair_style, skull, 1.0 - 0.42 * k, k) for k in range(style.layers)]
    if person.hair_style == "bun":
        sheets.append(_build_knot(person, skull))
    points, strands, faces, count = [], [], [], 0
    for position, strand in sheets:
        position = skull.outside(position.reshape(-1, 3), 0.0012).reshape(position.shape)
        faces.append(_grid_faces(position) + count)
        points.append(position.reshape(-1, 3))
        strands.append(strand.reshape(-1, 3))
        count += len(points[-1])
    return Hair(np.concatenate(points), np.concatenate(faces).astype(np.int32), np.concatenate(strands))
