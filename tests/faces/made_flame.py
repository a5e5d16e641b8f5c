"""A made head in the exact format of the official FLAME file: an egg with 5,023 vertices, drawn by formulas."""

from __future__ import annotations

import pickle
import sys
import types
from pathlib import Path

import numpy as np
import scipy.sparse
import torch
from scipy.spatial import cKDTree

VERTICES, TRIANGLES = 5023, 9976


def landmark_template() -> np.ndarray:
    """(68, 2) rough places of the iBUG-68 landmarks on a face, metres, y up, image left first."""
    angle = np.linspace(-np.pi, 0, 17)
    jaw = np.stack([0.07 * np.cos(angle), 0.085 * np.sin(angle)], 1)
    brow = np.stack([np.linspace(-0.055, -0.015, 5), 0.03 + 0.008 * np.sin(np.linspace(0.3, 2.6, 5))], 1)
    bridge = np.stack([np.zeros(4), np.linspace(0.008, -0.022, 4)], 1)
    nostrils = np.stack([np.linspace(-0.014, 0.014, 5), [-0.03, -0.033, -0.035, -0.033, -0.03]], 1)
    turn = np.pi - np.arange(6) * np.pi / 3
    eye = np.stack([0.0145 * np.cos(turn) - 0.032, 0.006 * np.sin(turn) + 0.008], 1)
    turn = np.pi - np.arange(12) * np.pi / 6
    lips = np.stack([0.025 * np.cos(turn), 0.011 * np.sin(turn) - 0.055], 1)
    turn = np.pi - np.arange(8) * np.pi / 4
    inner = np.stack([0.02 * np.cos(turn), 0.004 * np.sin(turn) - 0.055], 1)
    mirror = np.array([-1, 1])
    other_eye = (eye * mirror)[[3, 2, 1, 0, 5, 4]]
    return np.concatenate([jaw, brow, (brow * mirror)[::-1], bridge, nostrils, eye, other_eye, lips, inner])


def _surface(rng: np.random.Generator) -> np.ndarray:
    """Points of a left-right symmetric egg with a nose; x to the subject's left, y up, z out of the face."""
    half = rng.normal(size=((VERTICES - 1) // 2, 3))
    half[:, 0] = np.abs(half[:, 0]) + 1e-3
    half /= np.linalg.norm(half, axis=1, keepdims=True)
    points = np.concatenate([half, half * [-1, 1, 1], [[0, 0, 1]]])
    points = points * [0.075, 0.11, 0.095]
    nose = np.exp(-((points[:, 0] / 0.012) ** 2) - ((points[:, 1] + 0.022) / 0.02) ** 2)
    points[:, 2] += 0.025 * nose * (points[:, 2] > 0)
    return points


def _smooth_fields(points: np.ndarray, count: int, size: float, rng: np.random.Generator) -> np.ndarray:
    """(V, 3, count) smooth displacement fields on the front of the head."""
    fields = np.zeros((len(points), 3, count))
    for index in range(count):
        centre = np.array([rng.uniform(-0.06, 0.06), rng.uniform(-0.09, 0.05), 0.08])
        bump = np.exp(-((points - centre) ** 2).sum(1) / (2 * 0.025**2))
        fields[..., index] = bump[:, None] * rng.normal(size=3) * size
    return fields


def made_arrays(seed: int = 0, shapes: int = 300, expressions: int = 100) -> dict[str, np.ndarray]:
    """The arrays of the file, dense."""
    rng = np.random.default_rng(seed)
    points = _surface(rng)
    places = landmark_template()
    front = np.flatnonzero(points[:, 2] > 0)
    triples = front[cKDTree(points[front, :2]).query(places, 3)[1]]
    near = cKDTree(points).query(points, 4)[1]  # small triangles, as a mesh has them: large ones take long to draw
    faces = np.concatenate([triples, near[:, :3], near[:, [0, 2, 3]]])[:TRIANGLES]
    rng.integers(0, VERTICES, (TRIANGLES - 68, 3))  # so that the numbers drawn below stay as they were
    basis = _smooth_fields(points, 60, 0.004, rng)
    directions = np.zeros((VERTICES, 3, shapes + expressions))
    directions[..., :30] = basis[..., :30]
    directions[..., shapes : shapes + 30] = basis[..., 30:]
    weights = np.zeros((VERTICES, 5))
    jaw = np.clip(-(points[:, 1] + 0.045) / 0.03, 0, 1) * (points[:, 2] > 0)
    eye = (np.abs(np.abs(points[:, 0]) - 0.032) < 0.006) & (np.abs(points[:, 1] - 0.008) < 0.004) & (points[:, 2] > 0)
    weights[:, 2], weights[:, 0] = jaw * ~eye, np.clip(-(points[:, 1] + 0.08) / 0.02, 0, 1) * (points[:, 2] < 0)
    weights[:, 3], weights[:, 4] = eye & (points[:, 0] > 0), eye & (points[:, 0] <= 0)
    weights[:, 1] = 1 - weights.sum(1)
    joints = np.array(
        [[0, -0.1, -0.03], [0, -0.07, -0.01], [0, -0.03, -0.01], [0.032, 0.01, 0.07], [-0.032, 0.01, 0.07]]
    )
    regressor = np.zeros((5, VERTICES))
    for row, joint in enumerate(joints):
        near = np.argsort(((points - joint) ** 2).sum(1))[:4]
        regressor[row, near] = 0.25
    return {
        "v_template": points,
        "f": faces.astype(np.uint32),
        "shapedirs": directions,
        "posedirs": rng.normal(size=(VERTICES, 3, 36)) * 1e-4,
        "J_regressor": regressor,
        "kintree_table": np.array([[2**32 - 1, 0, 1, 1, 1], range(5)], np.uint32),
        "weights": weights,
        "J": regressor @ points,
    }


def made_embedding(seed: int = 0) -> dict[str, object]:
    """DECA's landmark embedding for the made file, with torch tensors where DECA's has them."""
    rng = np.random.default_rng(seed + 1)
    bary = np.tile([0.6, 0.3, 0.1], (68, 1))
    dynamic = rng.integers(0, 68, (79, 17))
    return {
        "static_lmk_faces_idx": np.arange(17, 68),
        "static_lmk_bary_coords": bary[17:],
        "dynamic_lmk_faces_idx": torch.from_numpy(dynamic),
        "dynamic_lmk_bary_coords": torch.from_numpy(rng.dirichlet(np.ones(3), (79, 17))).float(),
        "full_lmk_faces_idx": np.arange(68)[None],
        "full_lmk_bary_coords": bary[None],
    }


def write_pickle(path: Path, arrays: dict[str, np.ndarray], protocol: int = 2) -> Path:
    """Write the official form: chumpy arrays, a sparse regressor, Python 2's module names."""
    chumpy, leaf = types.ModuleType("chumpy"), types.ModuleType("chumpy.ch")
    leaf.Ch = type("Ch", (), {"__module__": "chumpy.ch"})
    sys.modules.update({"chumpy": chumpy, "chumpy.ch": leaf})
    try:
        content: dict[str, object] = dict(arrays, bs_style="lbs", bs_type="lrotmin")
        for key in ("v_template", "shapedirs", "weights"):
            if key in arrays:
                variable = leaf.Ch()
                variable.__dict__.update(x=arrays[key], _dirty_vars={"x"}, _itr=None, _parents=None)
                content[key] = variable
        if "J_regressor" in arrays:
            content["J_regressor"] = scipy.sparse.csc_matrix(arrays["J_regressor"])
        raw = pickle.dumps(content, protocol)
    finally:
        del sys.modules["chumpy"], sys.modules["chumpy.ch"]
    # the names of these modules when the files were written; text protocols hold no lengths of names
    for new, old in ((b"numpy._core.", b"numpy.core."), (b"scipy.sparse._csc", b"scipy.sparse.csc")):
        raw = raw.replace(b"c" + new, b"c" + old)
    path.write_bytes(raw)
    return path
