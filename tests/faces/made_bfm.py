"""A Basel Face Model in the form of `BFM_model_front.mat`: the official keys, orders and types, the built-in head's
mesh, made bases."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import scipy.io

from reenact.faces.registry import load_face_model

REACH, WIDTH = 0.04, 0.15
"""How far a coefficient of 1 moves the mesh, and over what distance, in decimetres."""


@cache
def made_bfm() -> dict[str, np.ndarray]:
    """The file's arrays; a basis vector of shape moves the mesh around a landmark sideways, one of expression up."""
    head = load_face_model("head")
    vertices, faces = head.mean_vertices.double().numpy() * 10, head.faces.numpy()
    draw = np.random.default_rng(0)

    marks = head.landmark_vertices[np.arange(68), head.landmark_weights.argmax(1)]

    def basis(count: int, axis: int) -> np.ndarray:
        centres = vertices[marks[np.arange(count) % 68]]
        squared = np.square(vertices[:, None] - centres).sum(-1)
        moved = np.zeros((len(vertices), 3, count), np.float32)
        moved[:, axis] = REACH * np.exp(-squared / (2 * WIDTH**2))
        return moved.reshape(-1, count)

    return {
        "meanshape": vertices.reshape(1, -1).astype(np.float32),
        "meantex": draw.uniform(100, 200, (1, vertices.size)).astype(np.float32),
        "idBase": basis(80, 0),
        "exBase": basis(64, 1),
        "texBase": draw.normal(0, 3, (vertices.size, 80)).astype(np.float32),
        "tri": (faces + 1).astype(np.float32),
        "point_buf": rings(faces, len(vertices)) + np.float32(1),
        "keypoints": (marks[None].numpy() + 1).astype(np.float32),
        "frontmask2_idx": np.arange(1, 101, dtype=np.float32)[:, None],
        "tri_mask2": (faces[:100] + 1).astype(np.float32),
        "skinmask": (vertices[None, :, 2] > 0).astype(np.float32),
    }


def rings(faces: np.ndarray, vertices: int) -> np.ndarray:
    """(V, 8) float32 of up to 8 triangles around each vertex; F where there are fewer."""
    found = np.full((vertices, 8), len(faces), np.float32)
    filled = np.zeros(vertices, np.int64)
    for triangle, corners in enumerate(faces):
        for vertex in corners:
            if filled[vertex] < 8:
                found[vertex, filled[vertex]] = triangle
                filled[vertex] += 1
    return found


def write_bfm(folder: Path) -> Path:
    """`BFM_model_front.mat` in a folder that is made."""
    folder.mkdir(parents=True)
    path = folder / "BFM_model_front.mat"
    scipy.io.savemat(path, made_bfm())
    return path
