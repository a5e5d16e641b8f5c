"""Builds the shipped head: `python -m reenact.faces.head.build` writes `head.npz` beside this file.

The bases are stored as 16-bit multiples of `STEP`, so every machine reads the same numbers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reenact.faces.head.expression import EXPRESSION_NAMES, LID_MOVES, expression_basis
from reenact.faces.head.landmarks import landmark_table
from reenact.faces.head.mesh import PART_NAMES, Mesh, build_mesh
from reenact.faces.head.parts import EYE_RINGS, EYE_SECTORS
from reenact.faces.head.regions import region_masks
from reenact.faces.head.shape import SHAPE_NAMES, shape_basis
from reenact.faces.head.skeleton import JOINTS, part_vertices, skinning_weights

Array = NDArray[np.float64]

FILE = Path(__file__).with_name("head.npz")
STEP = 5e-6
"""Metres; a tenth of the movement that shows at 2,000 pixels a head."""
ARCS = tuple(f"{name}_{side}" for name in LID_MOVES for side in ("left", "right"))
"""Expressions with an arc, in the order they are stored in."""


def _affine_weights(points: Array, target: Array) -> Array:
    """Least weights (N,) of sum 1 with which (N, 3) points average to a target."""
    system = np.c_[points, np.ones(len(points))].T
    return np.asarray(np.linalg.lstsq(system, np.r_[target, 1.0], rcond=None)[0])


def joint_regressor(mesh: Mesh) -> Array:
    """(5, V) weights that turn vertices into joints; the eyes' turn with their balls alone."""
    x, y, z = mesh.vertices.T
    skin = part_vertices(mesh, "skin")
    near = (
        skin & (np.abs(y + 0.02) < 0.03) & (z < 0.03),
        skin & (np.abs(y + 0.098) < 0.022) & (z < 0.05),
        skin & (np.hypot(y - 0.006, z - 0.006) < 0.022) & (np.abs(x) > 0.05),
    )
    weights = np.zeros((5, len(x)))
    for joint, chosen in enumerate(near):
        weights[joint, chosen] = _affine_weights(mesh.vertices[chosen], JOINTS[joint])
    ring = 5
    cosine = np.cos(EYE_RINGS[ring])
    for joint, ball in enumerate(mesh.eyeballs, 3):
        weights[joint, ball[1 + ring * EYE_SECTORS : 1 + (ring + 1) * EYE_SECTORS]] = 1 / EYE_SECTORS / (1 - cosine)
        weights[joint, ball[0]] = -cosine / (1 - cosine)
    return weights


def build_arrays() -> dict[str, NDArray[Any]]:
    """Every array of `head.npz`."""
    mesh = build_mesh()
    weights = skinning_weights(mesh)
    expressions, arcs = expression_basis(mesh, weights[:, 2])
    vertices, mixing = landmark_table(mesh)
    masks = region_masks(mesh)
    arcs = arcs[[EXPRESSION_NAMES.index(name) for name in ARCS]]
    return {
        "mean_vertices": mesh.vertices,
        "faces": mesh.faces.astype(np.int16),
        "part": mesh.part.astype(np.int8),
        "flip_permutation": mesh.flip.astype(np.int16),
        "shape_basis": np.round(shape_basis(mesh) / STEP).astype(np.int16),
        "expression_basis": np.round(np.concatenate([expressions, arcs]) / STEP).astype(np.int16),
        "joint_regressor": joint_regressor(mesh).astype(np.float32),
        "skinning_weights": weights.astype(np.float32),
        "landmark_vertices": vertices.astype(np.int16),
        "landmark_weights": mixing.astype(np.float32),
        "part_names": np.array(PART_NAMES),
        "shape_names": np.array(SHAPE_NAMES),
        "expression_names": np.array(EXPRESSION_NAMES),
        "region_names": np.array(list(masks)),
        "regions": np.packbits(np.stack(list(masks.values())), axis=1),
    }


if __name__ == "__main__":
    np.savez_compressed(FILE, **build_arrays())  # type: ignore[arg-type]
    print(f"{FILE}: {FILE.stat().st_size / 1e6:.2f} MB")
