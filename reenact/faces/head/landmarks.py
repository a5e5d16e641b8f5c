"""Positions of the 68 iBUG landmarks on the mean head: three vertices and their weights each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reenact.faces.head import curves
from reenact.faces.head.mesh import Mesh
from reenact.faces.head.skin import BORDER

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

# Frontal positions (mm) on the subject's left of points on plain skin, by their number on the left (image right).
_BROWS = {22: (12.2, 48.0), 23: (23.6, 53.8), 24: (36.0, 56.0), 25: (47.8, 53.8), 26: (57.0, 46.8)}
_NOSE = {
    27: (0.0, 32.0),
    28: (0.0, 18.6),
    29: (0.0, 5.3),
    30: (0.0, -8.5),
    33: (0.0, -22.0),
    34: (6.6, -20.6),
    35: (12.9, -18.0),
}
# The jaw line: frontal height (mm) and depth of the points beside the face, then frontal positions around the chin.
_JAW_SIDE = {16: (32.0, 2.0), 15: (12.0, 4.0), 14: (-8.0, 7.0), 13: (-27.5, 12.0), 12: (-47.0, 20.0)}
_JAW_CHIN = {11: (50.0, -64.2), 10: (35.2, -78.8), 9: (18.6, -89.0), 8: (0.0, -92.4)}
# Mirror images on the subject's right.
_MIRROR = {22: 21, 23: 20, 24: 19, 25: 18, 26: 17, 34: 32, 35: 31} | {k: 16 - k for k in range(9, 17)}
# Places on loops, counted from the subject's left corner over the upper side.
_LID = {45: (3, 37), 44: (8,), 43: (12,), 42: (20,), 47: (28,), 46: (32,)}
_LID_MIRROR = {45: 36, 44: 37, 43: 38, 42: 39, 47: 40, 46: 41}


def _find_triangle(faces: Ints, distance: Array) -> tuple[Ints, Array]:
    """The triangle over the place where the offsets `distance` (V, 2) vanish, and its barycentric weights."""
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


def _project_frontally(mesh: Mesh, faces: Ints, place: tuple[float, float]) -> tuple[Ints, Array]:
    return _find_triangle(faces, mesh.vertices[:, :2] - np.array(place) * 1e-3)


def _project_sideways(mesh: Mesh, faces: Ints, place: tuple[float, float]) -> tuple[Ints, Array]:
    return _find_triangle(faces, mesh.vertices[:, 1:] - np.array(place) * 1e-3)


def _select_facing(mesh: Mesh, faces: Ints, axis: int) -> Ints:
    """Triangles on the side of +x or +z (`axis` 0 or 2)."""
    corners = mesh.vertices[faces]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    chosen = (normal[:, axis] > 0) & (corners[:, :, axis].min(1) > (0.03 if axis == 2 else 0.02))
    return np.asarray(faces[chosen])


def landmark_table(mesh: Mesh) -> tuple[Ints, Array]:
    """(68, 3) vertices and (68, 3) weights of sum 1."""
    skin = mesh.faces[mesh.part == 0]
    front, side = _select_facing(mesh, skin, 2), _select_facing(mesh, skin, 0)
    table: dict[int, tuple[Ints, Array]] = {}
    for number, place in (_BROWS | _NOSE | _JAW_CHIN).items():
        table[number] = _project_frontally(mesh, front, place)
    for number, place in _JAW_SIDE.items():
        table[number] = _project_sideways(mesh, side, place)
    for number, mirror in _MIRROR.items():
        vertices, weights = table[number]
        table[mirror] = mesh.flip[vertices], weights
    for number, places in _LID.items():
        for eye, landmark in ((0, number), (1, _LID_MIRROR[number])):
            table[landmark] = _average_places(mesh.eyes[eye, 0], places)
    _add_mouth(mesh, table)
    rows = [table[number] for number in range(68)]
    return np.stack([row[0] for row in rows]), np.stack([row[1] for row in rows])


def _average_places(loop: Ints, places: tuple[int, ...]) -> tuple[Ints, Array]:
    """The middle of one or two places on a loop."""
    vertices = loop[[places[0], places[-1], places[0]]]
    return vertices, np.array([0.5, 0.5, 0.0])


def _add_mouth(mesh: Mesh, table: dict[int, tuple[Ints, Array]]) -> None:
    quarter = curves.MOUTH_POINTS // 4
    upper, corner, lower, seam = mesh.mouth[BORDER - 1], mesh.mouth[BORDER - 3], mesh.mouth[BORDER], mesh.mouth[0]
    # Places on the half loops: 0 is the lower middle, `quarter` the corner, 2 quarter the upper middle.
    places: dict[int, tuple[Ints, tuple[int, ...]]] = {
        57: (lower, (0,)),
        56: (lower, (3,)),
        55: (lower, (6,)),
        54: (corner, (quarter,)),
        53: (upper, (2 * quarter - 6,)),
        52: (upper, (2 * quarter - 2,)),
        51: (upper, (2 * quarter,)),
        66: (seam, (0,)),
        65: (seam, (3,)),
        64: (seam, (quarter - 4, quarter + 4)),
        63: (seam, (2 * quarter - 3,)),
        62: (seam, (2 * quarter,)),
    }
    mirror = {56: 58, 55: 59, 54: 48, 53: 49, 52: 50, 65: 67, 64: 60, 63: 61}
    for number, (loop, positions) in places.items():
        vertices, weights = _average_places(loop, positions)
        table[number] = vertices, weights
        if number in mirror:
            table[mirror[number]] = mesh.flip[vertices], weights
