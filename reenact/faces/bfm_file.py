"""The official files of the Basel Face Model, as Deep3D uses it: read into one set of arrays.

Two routes: `BFM_model_front.mat`, or what that file is made of (sicxu/Deep3DFaceRecon_pytorch, `util/load_mats.py`):
`01_MorphableModel.mat` (BFM 2009), `Exp_Pca.bin` and `std_exp.txt` (expression), `BFM_front_idx.mat` and
`BFM_exp_idx.mat` (which vertices), `facemodel_info.mat` (triangles, landmarks, masks). Indices count from 1 on disk.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reenact.errors import ReenactError
from reenact.faces.mat_file import read_mat

SHAPE, EXPRESSION, TEXTURE = 80, 64, 80
MICROMETRES = 1e5
"""Micrometres in a decimetre, the unit of the front file; divided by as the official script does, so that both routes
give the same bits, and the model the same name."""
ALL_VERTICES, EXPRESSION_VERTICES = 53490, 53215
"""Numbers of vertices of BFM 2009 and of the expression basis."""
KEYS = ("meanshape", "meantex", "idBase", "exBase", "texBase", "tri", "point_buf", "keypoints", "skinmask")

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class BfmArrays:
    """The model in decimetres, indices from 0."""

    mean_shape: Array
    """(3V,) coordinates, vertex by vertex."""
    mean_texture: Array
    """(3V,) mean R, G, B, 0 to 255."""
    shape_basis: Array
    """(3V, 80) times standard deviation."""
    expression_basis: Array
    """(3V, 64) times standard deviation."""
    texture_basis: Array
    """(3V, 80) times standard deviation."""
    triangles: Array
    """(F, 3) vertex indices."""
    rings: Array
    """(V, 8) triangles around each vertex; F where there are fewer."""
    landmarks: Array
    """(68,) vertices of the iBUG-68 landmarks."""
    skin: Array
    """(V,) bool: the skin that texture losses look at."""


def read_bfm(path: Path) -> BfmArrays:
    """Read the model from either route.

    Args:
        path: `BFM_model_front.mat`, or `01_MorphableModel.mat` with the other files beside it.

    Raises:
        ReenactError: if a file is missing, damaged, or another one; the message names file and key.
    """
    content = _read_mat_file(path)
    if "shapePC" in content:
        content = _build_front_model(path, content)
    if missing := [key for key in KEYS if key not in content]:
        raise ReenactError(f"{path} is not a Basel Face Model of Deep3D, it lacks {', '.join(missing)}")
    vertices = content["meanshape"].size // 3
    shapes = {
        "idBase": (3 * vertices, SHAPE),
        "exBase": (3 * vertices, EXPRESSION),
        "texBase": (3 * vertices, TEXTURE),
        "point_buf": (vertices, 8),
    }
    sizes = {"meanshape": 3 * vertices, "meantex": 3 * vertices, "keypoints": 68, "skinmask": vertices}
    if not vertices or content["tri"].ndim != 2 or content["tri"].shape[1] != 3 or not len(content["tri"]):
        raise ReenactError(f"{path} holds no mesh: its triangles have shape {content['tri'].shape}; build it again")
    for key, shape in shapes.items():
        if content[key].shape != shape:
            raise ReenactError(f"{path}: {key} has shape {content[key].shape}, not {shape}; build the file again")
    for key, size in sizes.items():
        if content[key].size != size:
            raise ReenactError(f"{path}: {key} has {content[key].size} entries, not {size}; build the file again")
    arrays = BfmArrays(
        mean_shape=_to_float_array(content["meanshape"]).ravel(),
        mean_texture=_to_float_array(content["meantex"]).ravel(),
        shape_basis=_to_float_array(content["idBase"]),
        expression_basis=_to_float_array(content["exBase"]),
        texture_basis=_to_float_array(content["texBase"]),
        triangles=_to_index_array(path, "tri", content["tri"], vertices),
        rings=_to_index_array(path, "point_buf", content["point_buf"], len(content["tri"]) + 1),
        landmarks=_to_index_array(path, "keypoints", content["keypoints"], vertices).ravel(),
        skin=np.asarray(content["skinmask"]).ravel() > 0,
    )
    parts = arrays.mean_shape, arrays.mean_texture, arrays.shape_basis, arrays.expression_basis, arrays.texture_basis
    if not all(np.isfinite(part).all() for part in parts):
        raise ReenactError(f"{path} is damaged: it holds numbers that are none; build the file again")
    return arrays


def _build_front_model(path: Path, model: dict[str, Array]) -> dict[str, Array]:
    """The content of `BFM_model_front.mat`, from the files that it is made of."""
    folder = path.parent
    front_file, trim_file = folder / "BFM_front_idx.mat", folder / "BFM_exp_idx.mat"
    trimmed = _to_index_array(trim_file, "trimIndex", _read_entry(trim_file, "trimIndex").ravel(), ALL_VERTICES)
    front = _to_index_array(
        front_file, "idx", _read_entry(front_file, "idx").ravel(), min(len(trimmed), EXPRESSION_VERTICES)
    )
    info = _read_mat_file(folder / "facemodel_info.mat")
    whole = trimmed[front]
    _check_2009(path, model)
    expression = _read_expression_basis(folder)

    def rows(values: Array, which: Array) -> Array:
        return values.reshape(-1, 3, *values.shape[1:])[which].reshape(-1, *values.shape[1:])

    shape = model["shapePC"][:, :SHAPE] * model["shapeEV"].ravel()[:SHAPE] / MICROMETRES
    texture = model["texPC"][:, :TEXTURE] * model["texEV"].ravel()[:TEXTURE]
    return {
        "meanshape": rows(model["shapeMU"].ravel()[:, None] / MICROMETRES, whole),
        "meantex": rows(model["texMU"].ravel()[:, None], whole),
        "idBase": rows(shape, whole),
        "texBase": rows(texture, whole),
        "exBase": rows(expression, front),
        **{key: info[key] for key in ("tri", "point_buf", "keypoints", "skinmask") if key in info},
    }


def _check_2009(path: Path, model: dict[str, Array]) -> None:
    """Refuse a file of 2009 whose arrays lack entries."""
    names = [f"{kind}{part}" for kind in ("shape", "tex") for part in ("MU", "PC", "EV")]
    if missing := [name for name in names if name not in model]:
        raise ReenactError(f"{path} lacks {', '.join(missing)}; request the file of 2009")
    for kind, count in (("shape", SHAPE), ("tex", TEXTURE)):
        mean, basis, spread = (model[f"{kind}{part}"] for part in ("MU", "PC", "EV"))
        entries = 3 * ALL_VERTICES
        if mean.size != entries:
            raise ReenactError(f"{path}: {kind}MU has {mean.size} entries, not {entries}; request the file of 2009")
        if basis.ndim != 2 or len(basis) != mean.size or basis.shape[1] < count or spread.size < count:
            raise ReenactError(
                f"{path}: {kind}PC has shape {basis.shape} and {kind}EV {spread.size} entries; request the file of 2009"
            )


def _read_expression_basis(folder: Path) -> Array:
    """(3 * 53215, 64) basis times deviation, of `Exp_Pca.bin` (little endian: count, mean, basis) and `std_exp.txt`."""
    path, spreads = folder / "Exp_Pca.bin", folder / "std_exp.txt"
    try:
        content = path.read_bytes()
        deviation = np.array(spreads.read_text(encoding="utf-8").split(), np.float64)
    except (OSError, ValueError) as error:
        raise ReenactError(
            f"{folder} needs Exp_Pca.bin and std_exp.txt beside 01_MorphableModel.mat ({error})"
        ) from error
    (count,) = struct.unpack_from("<i", content) if len(content) >= 4 else (0,)
    size = 3 * EXPRESSION_VERTICES
    if count < EXPRESSION or len(content) != 4 * (1 + size + count * size) or len(deviation) < EXPRESSION:
        raise ReenactError(f"{path} or {spreads.name} is damaged: {len(content)} bytes, {len(deviation)} deviations")
    basis = np.frombuffer(content, "<f4", count * size, 4 * (1 + size)).reshape(count, size)
    return basis[:EXPRESSION].T * deviation[:EXPRESSION] / MICROMETRES


def _read_mat_file(path: Path) -> dict[str, Array]:
    if not path.is_file():
        raise ReenactError(
            f"{path} is not a file; give BFM_model_front.mat, or 01_MorphableModel.mat with its companions"
        )
    try:
        content: dict[str, Array] = read_mat(path)
    except Exception as error:  # the reader raises whatever a broken file makes it stumble over
        raise ReenactError(f"{path} is not a MATLAB file of version 5, or damaged ({type(error).__name__})") from error
    return content


def _read_entry(path: Path, key: str) -> Array:
    content = _read_mat_file(path)
    if key not in content:
        raise ReenactError(f"{path} lacks {key}; take the file of the Deep3DFaceRecon_pytorch repository")
    return content[key]


def _to_float_array(values: Array) -> Array:
    return np.asarray(values, np.float32)


def _to_index_array(path: Path, key: str, values: Array, limit: int) -> Array:
    """Return indices from 0 of indices from 1; raise `ReenactError` unless all are whole and below a limit from 0."""
    if not ((values >= 1) & (values <= limit) & (values == np.floor(values))).all():
        raise ReenactError(f"{path} is damaged: {key} points outside of the mesh; build the file again")
    return np.asarray(values, np.int64) - 1
