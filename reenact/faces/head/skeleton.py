"""Joints and skinning weights."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix, diags

from reenact.faces.head.curves import EYE_CENTRE, MOUTH_HALF_WIDTH, MOUTH_Y
from reenact.faces.head.mesh import PART_NAMES, Mesh

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

PARENTS = (-1, 0, 1, 1, 1)
JOINTS = np.array(
    [
        [0.0, -0.020, -0.010],
        [0.0, -0.095, -0.030],
        [0.0, 0.006, 0.006],
        EYE_CENTRE,
        EYE_CENTRE * [-1, 1, 1],
    ]
)
"""(5, 3) joints of the mean head: skull base (root), neck, hinge of the jaw (condyles), left eye, right eye. Metres."""


def _step_smoothly(value: Array, low: float, high: float) -> Array:
    part = np.clip((value - low) / (high - low), 0, 1)
    return part * part * (3 - 2 * part)


def build_adjacency(faces: Ints, count: int) -> csr_matrix:
    """(V, V) row-normalised adjacency of a mesh."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    both = np.concatenate([edges, edges[:, ::-1]])
    matrix = coo_matrix((np.ones(len(both)), (both[:, 0], both[:, 1])), (count, count)).tocsr()
    matrix.data[:] = 1.0
    degree = np.asarray(matrix.sum(1)).ravel()
    return (diags(1 / np.maximum(degree, 1)) @ matrix).tocsr()


def part_vertices(mesh: Mesh, *names: str) -> NDArray[np.bool_]:
    """(V,) vertices of some parts."""
    chosen = np.isin(mesh.part, [PART_NAMES.index(name) for name in names])
    mask = np.zeros(len(mesh.vertices), bool)
    mask[mesh.faces[chosen]] = True
    return mask


def _jaw_start(points: Array) -> Array:
    """Share of the jaw's motion by position, before smoothing."""
    x, y, z = np.abs(points[:, 0]), points[:, 1], points[:, 2]
    back = np.clip((0.088 - z) / 0.088, 0, 1.3)
    line = MOUTH_Y + 0.034 * back**1.2
    width = 0.005 + 0.040 * np.clip(back, 0, 1) + 0.25 * np.clip(x - MOUTH_HALF_WIDTH, 0, 0.04)
    weight = (1 - _step_smoothly((y - line) / width, -0.9, 0.6)) * _step_smoothly(z, -0.030, 0.040)
    throat = _step_smoothly(z + 0.9 * (y + 0.090), -0.012, 0.078)
    above = _step_smoothly(y, -0.094, -0.056)
    return weight * (above + (1 - above) * throat)


def jaw_weights(mesh: Mesh) -> Array:
    """(V,) share of each vertex in the jaw's rotation."""
    weight = _jaw_start(mesh.vertices)
    count = mesh.mouth.shape[1]
    angle = np.linspace(-np.pi / 2, np.pi / 2, count)
    seam = 1 - _step_smoothly(np.sin(angle), -0.62, 0.52)
    pinned = np.zeros(len(weight), bool)
    for ring in range(7):
        for table in (mesh.mouth[ring], mesh.flip[mesh.mouth[ring]]):
            fade = ring / 7
            weight[table] = (1 - fade) * seam + fade * weight[table] if ring else seam
            pinned[table] |= ring == 0
    skin = part_vertices(mesh, "skin", "lips")
    adjacency = build_adjacency(mesh.faces[np.isin(mesh.part, [0, 2])], len(weight))
    for _ in range(24):
        smooth = adjacency @ weight
        weight = np.where(skin & ~pinned, 0.4 * weight + 0.6 * smooth, weight)
    for loop, table in enumerate(mesh.bag):
        sharp = 1 - _step_smoothly(np.sin(angle), -0.62 - 0.04 * loop, 0.52 + 0.04 * loop)
        for numbers in (table, mesh.flip[table]):
            weight[numbers] = sharp * (1.0, 1.0, 1.0, 0.9, 0.6, 0.3)[loop]
    weight[part_vertices(mesh, "lower_teeth", "tongue")] = 1.0
    weight[part_vertices(mesh, "upper_teeth", "ears", "left_eyeball", "right_eyeball")] = 0.0
    return (weight + weight[mesh.flip]) / 2


def skinning_weights(mesh: Mesh) -> Array:
    """(V, 5) weights of the joints; rows sum to one."""
    points = mesh.vertices
    jaw = jaw_weights(mesh)
    weights = np.zeros((len(points), 5))
    depth = points[:, 2]
    height = points[:, 1] + 0.8 * np.clip(depth - 0.025, 0, 0.06) + 0.35 * np.clip(-depth, 0, 0.08)
    neck = _step_smoothly(height, -0.162, -0.078)
    inside = part_vertices(mesh, "upper_teeth", "lower_teeth", "tongue", "mouth_bag", "ears")
    neck = np.where(inside, 1.0, neck)
    weights[:, 0] = 1 - neck
    weights[:, 1] = neck * (1 - jaw)
    weights[:, 2] = neck * jaw
    for side, joint in ((0, 3), (1, 4)):
        weights[mesh.eyeballs[side]] = np.eye(5)[joint]
    return weights
