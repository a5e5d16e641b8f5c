"""Readers of FLAME's official files: the model, and DECA's landmark embedding."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reenact.errors import ReenactError
from reenact.faces.skinning import PARENTS
from reenact.faces.unpickle import load_arrays

VERTICES, TRIANGLES, JOINTS = 5023, 9976, 5

_SHAPES: dict[str, tuple[int, ...]] = {
    "v_template": (VERTICES, 3),
    "f": (TRIANGLES, 3),
    "shapedirs": (VERTICES, 3),
    "posedirs": (VERTICES, 3, 9 * (JOINTS - 1)),
    "J_regressor": (JOINTS, VERTICES),
    "kintree_table": (2, JOINTS),
    "weights": (VERTICES, JOINTS),
}


def read_flame_arrays(path: Path) -> dict[str, Any]:
    """Read the arrays of a `.pkl` or `.npz`.

    Raises:
        ReenactError: if the file is missing, damaged, malicious, or not FLAME.
    """
    arrays = load_arrays(path)
    remedy = "give a FLAME generic_model.pkl of 2017, 2019, 2020 or 2023"
    missing = [key for key in _SHAPES if not isinstance(arrays.get(key), np.ndarray)]
    if missing:
        raise ReenactError(f"{path} is not a FLAME model, it lacks {', '.join(missing)}: {remedy}")
    for key, expected in _SHAPES.items():
        shape = arrays[key].shape
        if shape[: len(expected)] != expected or arrays[key].dtype.kind not in "iuf":
            raise ReenactError(f"{path} is not a FLAME model, its {key} has shape {shape}: {remedy}")
    parents = arrays["kintree_table"][0].astype(np.int64).astype(np.int32)
    if arrays["shapedirs"].ndim != 3 or tuple(parents[1:]) != PARENTS[1:]:
        raise ReenactError(f"{path} is not a FLAME model, its joints or bases are others: {remedy}")
    corners = arrays["f"]
    if corners.min() < 0 or corners.max() >= VERTICES or not all(np.isfinite(arrays[key]).all() for key in _SHAPES):
        raise ReenactError(f"{path} is damaged, it holds impossible numbers: download it again")
    return arrays


def read_embedding(path: Path) -> dict[str, NDArray[Any]]:
    """Read DECA's `landmark_embedding.npy`; raises `ReenactError` for another file."""
    entries = load_arrays(path)
    shapes = {
        "full_lmk_faces_idx": 68,
        "full_lmk_bary_coords": 68 * 3,
        "dynamic_lmk_faces_idx": 79 * 17,
        "dynamic_lmk_bary_coords": 79 * 17 * 3,
    }
    for key, size in shapes.items():
        value = entries.get(key, np.empty(0))
        fits = isinstance(value, np.ndarray) and value.size == size and value.dtype.kind in "iuf"
        if not fits or (key.endswith("idx") and not 0 <= value.min() <= value.max() < TRIANGLES):
            raise ReenactError(
                f"{path} is not DECA's landmark embedding (see {key}): take DECA's landmark_embedding.npy"
            )
    return entries


def hash_arrays(arrays: dict[str, NDArray[Any]]) -> str:
    """Return eight hexadecimal digits of the SHA-256 of the arrays, which tell any two models apart."""
    digest = hashlib.sha256()
    for key in ("v_template", "shapedirs", "posedirs"):
        digest.update(np.ascontiguousarray(arrays[key], np.float32).tobytes())
    return digest.hexdigest()[:8]
