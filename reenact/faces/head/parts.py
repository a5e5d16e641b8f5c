"""Everything behind the skin: eyeballs, teeth, gums, tongue, the mouth's inside, and the ears. Metres."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from reenact.faces.head.curves import EYE_CENTRE, EYE_RADIUS, MOUTH_Y

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

IRIS_RADIUS = 0.0060
PUPIL_RADIUS = 0.0021
EYE_SECTORS = 24
# Polar angles (radians) of an eyeball's rings from the pupil's centre.
_PUPIL, _IRIS = np.arcsin(PUPIL_RADIUS / EYE_RADIUS), np.arcsin(IRIS_RADIUS / EYE_RADIUS)
EYE_RINGS = np.array([0.5 * _PUPIL, _PUPIL, 0.6 * _PUPIL + 0.4 * _IRIS, _IRIS, _IRIS + 0.06, 0.78, 1.05, 1.4, 1.8])
ARCH_COLUMNS = 37
TONGUE_COLUMNS = 11


def triangulate_strip(loops: Ints, closed: bool, flip: bool = False) -> Ints:
    """Triangles between consecutive rows of a (rows, points) number table; `flip` reverses their winding."""
    points = loops.shape[1]
    columns = np.arange(points if closed else points - 1)
    following = (columns + 1) % points
    a, b = loops[:-1][:, columns], loops[:-1][:, following]
    c, d = loops[1:][:, following], loops[1:][:, columns]
    faces = np.concatenate([np.stack([a, d, c], -1).reshape(-1, 3), np.stack([a, c, b], -1).reshape(-1, 3)])
    return faces[:, [0, 2, 1]] if flip else faces


def build_eyeball() -> tuple[Array, Ints]:
    """Left eyeball looking along z: its pole, then rings of `EYE_SECTORS` vertices."""
    angle = 2 * np.pi * np.arange(EYE_SECTORS) / EYE_SECTORS
    polar = EYE_RINGS[:, None]
    ring = np.stack(
        [np.sin(polar) * np.cos(angle), np.sin(polar) * np.sin(angle), np.cos(polar) + 0 * angle], -1
    ).reshape(-1, 3)
    points = EYE_CENTRE + EYE_RADIUS * np.concatenate([[[0, 0, 1]], ring])
    table = 1 + np.arange(len(ring)).reshape(len(EYE_RINGS), EYE_SECTORS)
    cap = np.stack([np.zeros(EYE_SECTORS, int), table[0], np.roll(table[0], -1)], -1)
    return points, np.concatenate([cap, triangulate_strip(table, True)])


def lid_rims(rim: Array) -> Array:
    """(2, N, 3) loops that carry the lids' (N, 3) rim back to the eyeball and under its surface."""
    flat = rim[:, :2] - EYE_CENTRE[:2]
    distance = np.clip((np.linalg.norm(flat, axis=1, keepdims=True) / EYE_RADIUS - 0.80) / 0.25, 0, 1)

    def loop(shrink: Array, above: Array) -> Array:
        reach = shrink * flat
        level = EYE_CENTRE[2] + np.sqrt(np.maximum(EYE_RADIUS**2 - (reach**2).sum(1), 0.0)) + above
        return np.asarray(np.c_[EYE_CENTRE[:2] + reach, np.minimum(level, rim[:, 2] - 0.0004)])

    near = loop(0.985 - 0.05 * distance, (0.0003 + 0.0016 * distance)[:, 0])
    return np.stack([near, loop(0.93 - 0.17 * distance, (-0.0020 + 0.0012 * distance)[:, 0])])


def _sample_arch(across: Array, front: float) -> tuple[Array, Array]:
    """Position and outward normal (N, 2) in the xz plane on the dental arch; `across` in [-1, 1]."""
    x = 0.25 * front * np.sin(across * 1.25) / np.sin(1.25)
    z = front - 30.0 * x**2 - 9000.0 * x**4 * 2.5
    slope = -60.0 * x - 4 * 22500.0 * x**3
    normal = np.stack([-slope, np.ones_like(slope)], -1)
    return np.stack([x, z], -1), normal / np.linalg.norm(normal, axis=1, keepdims=True)


def build_teeth(upper: bool) -> tuple[Array, Ints]:
    """One row of teeth with its gum, six teeth a side: (7 rows x ARCH_COLUMNS) vertices, gum first."""
    across = np.linspace(-1, 1, ARCH_COLUMNS)
    place, normal = _sample_arch(across, 0.0940 if upper else 0.0892)
    gap = np.abs(np.arange(ARCH_COLUMNS) - ARCH_COLUMNS // 2) % 3 == 0
    side = 1.0 if upper else -1.0
    edge = MOUTH_Y + (-0.0024 if upper else -0.0030)
    edge = edge + side * (0.0016 * np.abs(across) ** 2 + 0.0004 * gap)
    # Rows: (height from the cutting edge towards the gum, distance outwards), mm.
    rows = [(15.0, -1.5), (9.6, 0.6), (8.6, 0.1), (4.5, 0.5), (0.7, 0.0), (0.0, -0.9), (6.0, -3.6)]
    loops = []
    for number, (height, out) in enumerate(rows):
        dent = 0.0005 * gap * (2 <= number <= 4)
        shift = (out * 1e-3 - dent)[:, None] * normal
        tall = height * 1e-3 * (1 - 0.15 * np.abs(across)) - 0.0006 * gap * (number in (1, 2))
        loops.append(np.stack([place[:, 0] + shift[:, 0], edge + side * tall, place[:, 1] + shift[:, 1]], -1))
    table = np.arange(len(rows) * ARCH_COLUMNS).reshape(len(rows), ARCH_COLUMNS)
    return np.concatenate(loops), triangulate_strip(table, False, flip=not upper)


def build_tongue() -> tuple[Array, Ints]:
    """The tongue's back and tip: a dome of (9 rows x 11 columns) from the tip inwards."""
    fraction, across = np.meshgrid(np.linspace(0, 1, 9), np.linspace(-1, 1, 11), indexing="ij")
    width = 0.0175 * np.sqrt(np.clip(1 - (1 - fraction) ** 2.4, 0.02, 1))
    z = 0.0885 - 0.048 * fraction - 0.004 * across**2 * (1 - fraction)
    lift = np.sqrt(np.maximum(1 - across**2, 0))
    top = MOUTH_Y - 0.0085 + 0.0055 * np.sin(np.pi * np.clip(fraction * 0.85 + 0.1, 0, 1))
    y = top - 0.0070 * (1 - lift) * (0.5 + 0.5 * fraction) - 0.0018 * np.exp(-((across / 0.22) ** 2))
    points = np.stack([width * across, y, z], -1).reshape(-1, 3)
    return points, triangulate_strip(np.arange(99).reshape(9, 11), False, flip=True)


def mouth_bag(seam: Array) -> Array:
    """(6, N, 3) loops from behind the lips' (N, 3) seam to the throat; the last loop is to be closed."""
    angle = np.linspace(-np.pi / 2, np.pi / 2, len(seam))
    cosine, sine = np.cos(angle), np.sin(angle)
    cosine[[0, -1]] = 0.0
    front = seam[:, 2] * 0.35 + seam[:, 2].max() * 0.65
    loops = [np.c_[seam[:, 0] * 0.985, seam[:, 1] + 0.0012 * np.sign(sine) * cosine**0.5, seam[:, 2] - 0.0026]]
    # (half width, half height, depth behind the lips, share of the seam's own outline), mm.
    for wide, tall, behind, seam_share in [
        (26.5, 8, 5.5, 0.5),
        (28.5, 17, 11, 0),
        (27, 19, 24, 0),
        (23, 17, 42, 0),
        (12, 9, 58, 0),
    ]:
        ring = np.c_[
            wide * 1e-3 * cosine, MOUTH_Y - 0.001 + tall * 1e-3 * sine, front - behind * 1e-3 - 0.010 * cosine**6
        ]
        seam_ring = np.c_[seam[:, 0], seam[:, 1] + 0.004 * sine, ring[:, 2]]
        loops.append(seam_share * seam_ring + (1 - seam_share) * ring)
    return np.stack(loops)


_EAR_RINGS = np.array([0.12, 0.3, 0.46, 0.58, 0.68, 0.78, 0.87, 0.94, 1.0])
EAR_SECTORS = 26
# The outline: distance (mm) from the concha by angle, 0 = backwards, pi/2 = up, pi = to the face.
_EAR_ANGLE = np.array([0, 0.5, 1.0, 1.57, 2.1, 2.6, 3.14, 3.7, 4.2, 4.71, 5.2, 5.8, 6.2832])
_EAR_REACH = np.array([20.0, 24.0, 29.5, 31.0, 25.0, 16.0, 11.0, 13.5, 22.0, 27.5, 24.0, 19.5, 20.0])


def build_ear() -> tuple[Array, Ints]:
    """Left ear: its centre, rings to the rim, two rings back to the skull."""
    angle = 2 * np.pi * np.arange(EAR_SECTORS) / EAR_SECTORS
    reach = PchipInterpolator(_EAR_ANGLE, _EAR_REACH)(angle) * 1e-3
    back, up = np.cos(angle), np.sin(angle)
    upper = np.clip(0.55 + 0.6 * up + 0.3 * back, 0, 1)
    loops = []
    for ring in _EAR_RINGS:
        helix = 0.0042 * np.exp(-(((ring - 0.93) / 0.075) ** 2)) * upper
        anti = 0.0034 * np.exp(-(((ring - 0.60) / 0.10) ** 2)) * np.clip(0.6 + 0.7 * back, 0, 1)
        concha = -0.0085 * np.exp(-((ring / 0.36) ** 2))
        scapha = -0.0016 * np.exp(-(((ring - 0.78) / 0.08) ** 2)) * upper
        tragus = 0.0040 * np.exp(-(((ring - 0.62) / 0.22) ** 2)) * np.clip(-back - 0.55, 0, 1) / 0.45
        rim = -0.0022 * np.exp(-(((ring - 1.0) / 0.03) ** 2))
        loops.append(
            np.stack([-reach * ring * back, reach * ring * up, helix + anti + concha + scapha + tragus + rim], -1)
        )
    for inset, depth in ((0.93, -0.0042), (0.62, -0.0135)):
        loops.append(np.stack([-reach * inset * back, reach * inset * up, np.full_like(reach, depth)], -1))
    points = _place_ear(np.concatenate([[[0.0, 0.0, -0.0090]], *loops]))
    table = 1 + np.arange(len(loops) * EAR_SECTORS).reshape(len(loops), EAR_SECTORS)
    cap = np.stack([np.zeros(EAR_SECTORS, int), table[0], np.roll(table[0], -1)], -1)
    return points, np.concatenate([cap, triangulate_strip(table, True)])


def _place_ear(flat: Array) -> Array:
    """Hang the flat ear (forward, up, out) on the skull: leaned back, its free edge turned outwards."""
    lean, turn = np.radians(12.0), np.radians(24.0)
    forward, up, out = flat.T
    forward, up = np.cos(lean) * forward - np.sin(lean) * up, np.sin(lean) * forward + np.cos(lean) * up
    side = out + np.sin(turn) * (0.010 - forward)
    return np.stack([0.0700 + side, 0.0130 + up, -0.0095 + np.cos(turn) * forward], -1)
