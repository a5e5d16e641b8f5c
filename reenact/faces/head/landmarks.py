"""Where the 68 iBUG landmarks lie on the mean head: three vertices and their weights each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reenact.faces.head import curves
from reenact.faces.head.mesh import Mesh
from reenact.faces.head.skin import BORDER

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

# Frontal positions (mm) on the subject's left of points on plain skin, by their number on the left (image right).
_BROWS = {22: (13.0, 48.0), 23: (25.0, 53.2), 24: (38.2, 55.0), 25: (50.0, 52.2), 26: (59.0, 45.0)}
_NOSE = {
    27: (0.0, 31.0),
    28: (0.0, 18.0),
    29: (0.0, 5.0),
    30: (0.0, -8.5),
    33: (0.0, -22.2),
    34: (7.4, -20.6),
    35: (14.4, -17.6),
}
# The jaw line: frontal height (mm) and depth of the points beside the face, then frontal positions around the chin.
_JAW_SIDE = {16: (29.0, 2.0), 15: (9.0, 4.0), 14: (-11.5, 7.0), 13: (-31.0, 12.0), 12: (-50.0, 20.0)}
_JAW_CHIN = {11: (49.5, -66.5), 10: (35.0, -80.5), 9: (18.6, -90.0), 8: (0.0, -93.5)}
# Mirror images on the subject's right.
_MIRROR = {22: 21, 23: 20, 24: 19, 25: 18, 26: 17, 34: 32, 35: 31} | {k: 16 - k for k in range(9, 17)}
# Places on loops, counted from the subject's left corner over the upper side.
_LID = {45: 0, 44: 8, 43: 12, 42: 20, 47: 28, 46: 32}
_LID_MIRROR = {45: 36, 44: 37, 43: 38, 42: 39, 47: 40, 46: 41}


def _closest(mesh: Mesh, faces: Ints, distance: Array) -> tuple[Ints, Array]:
    """The triangle that holds the least `distance` (V, 2) = 0, by projection to the plane of those two columns."""
    corners = distance[faces]
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    edges = np.stack([b - a, c - a], -1)
    usable = np.abs(np.linalg.det(edges)) > 1e-14
    part = np.full((len(faces), 2), -1.0)
    part[usable] = np.linalg.solve(edges[usable], -a[usable][..., None])[..., 0]
    weights = np.c_[1 - part.sum(1), part]
    best = int(np.argmax(weights.min(1)))
    clipped = np.clip(weights[best], 0, 1)
    return faces[best], clipped / clipped.sum()


def _frontal(mesh: Mesh, faces: Ints, place: tuple[float, float]) -> tuple[Ints, Array]:
    return _closest(mesh, faces, mesh.vertices[:, :2] - np.array(place) * 1e-3)


def _sideways(mesh: Mesh, faces: Ints, place: tuple[float, float]) -> tuple[Ints, Array]:
    return _closest(mesh, faces, mesh.vertices[:, 1:] - np.array(place) * 1e-3)


def _facing(mesh: Mesh, faces: Ints, axis: int) -> Ints:
    """Triangles on the side of +x or +z (`axis` 0 or 2)."""
    corners = mesh.vertices[faces]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return faces[(normal[:, axis] > 0) & (corners[:, :, axis].min(1) > (0.03 if axis == 2 else 0.02))]


def landmark_table(mesh: Mesh) -> tuple[Ints, Array]:
    """(68, 3) vertices and (68, 3) weights of sum 1."""
    skin = mesh.faces[mesh.part == 0]
    front, side = _facing(mesh, skin, 2), _facing(mesh, skin, 0)
    table: dict[int, tuple[Ints, Array]] = {}
    for number, place in (_BROWS | _NOSE | _JAW_CHIN).items():
        table[number] = _frontal(mesh, front, place)
    for number, place in _JAW_SIDE.items():
        table[number] = _sideways(mesh, side, place)
    for number, mirror in _MIRROR.items():
        vertices, weights = table[number]
        table[mirror] = mesh.flip[vertices], weights
    for number, place in _LID.items():
        for eye, landmark in ((0, number), (1, _LID_MIRROR[number])):
            table[landmark] = np.full(3, mesh.eyes[eye, 0, place]), np.array([1.0, 0, 0])
    _add_mouth(mesh, table)
    rows = [table[number] for number in range(68)]
    return np.stack([row[0] for row in rows]), np.stack([row[1] for row in rows])


def _add_mouth(mesh: Mesh, table: dict[int, tuple[Ints, Array]]) -> None:
    quarter = curves.MOUTH_POINTS // 4
    border, seam = mesh.mouth[BORDER], mesh.mouth[0]
    # Places on the half loops: 0 is the lower middle, `quarter` the corner, 2 quarter the upper middle.
    outer = {57: 0, 56: 3, 55: 6, 54: quarter, 53: 2 * quarter - 6, 52: 2 * quarter - 2, 51: 2 * quarter}
    inner = {66: (0,), 65: (3,), 64: (quarter - 3, quarter + 3), 63: (2 * quarter - 3,), 62: (2 * quarter,)}
    mirror = {56: 58, 55: 59, 54: 48, 53: 49, 52: 50, 65: 67, 64: 60, 63: 61}
    places = {number: (border, (place,)) for number, place in outer.items()}
    places |= {number: (seam, place) for number, place in inner.items()}
    for number, (loop, place) in places.items():
        vertices = loop[list((place * 3)[:3] if len(place) == 1 else (*place, place[0]))]
        weights = np.array([1.0, 0, 0]) if len(place) == 1 else np.array([0.5, 0.5, 0.0])
        table[number] = vertices, weights
        if number in mirror:
            table[mirror[number]] = mesh.flip[vertices], weights
