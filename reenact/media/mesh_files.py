"""Meshes as files of the format PLY, which viewers and modelling programs read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reenact.errors import ReenactError
from reenact.media.media_files import partial_path

MESH_SUFFIXES = (".ply",)


def is_mesh(path: Path) -> bool:
    """Tell if a file's name is that of a mesh."""
    return path.suffix.lower() in MESH_SUFFIXES


def write_mesh(
    path: Path,
    vertices: NDArray[np.floating[Any]],
    faces: NDArray[np.int64],
    colours: NDArray[np.uint8] | None = None,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write a mesh of triangles as binary PLY under a temporary name, then rename it.

    Args:
        path: Where to.
        vertices: (V, 3).
        faces: (F, 3) numbers of vertices.
        colours: (V, 3) RGB.
        metadata: Words to carry as comments.

    Raises:
        ReenactError: if the file can't be written.
    """
    columns: list[tuple[str, str]] = [(axis, "<f4") for axis in "xyz"]
    if colours is not None:
        columns += [(name, "u1") for name in ("red", "green", "blue")]
    rows = np.zeros(len(vertices), columns)
    for number, (name, _) in enumerate(columns):
        rows[name] = vertices[:, number] if colours is None or number < 3 else colours[:, number - 3]
    triangles = np.zeros(len(faces), [("count", "u1"), ("numbers", "<i4", 3)])
    triangles["count"], triangles["numbers"] = 3, faces
    lines = ["ply", "format binary_little_endian 1.0"]
    for key, value in (metadata or {}).items():
        text = value if key == "comment" else f"{key} {value}"
        lines.append(f"comment {text}".replace("\n", " "))
    lines += [f"element vertex {len(rows)}"]
    lines += [f"property {'float' if kind == '<f4' else 'uchar'} {name}" for name, kind in columns]
    lines += [f"element face {len(triangles)}", "property list uchar int vertex_indices", "end_header", ""]
    temporary = partial_path(path)
    try:
        temporary.write_bytes("\n".join(lines).encode("ascii", "replace") + rows.tobytes() + triangles.tobytes())
        temporary.replace(path)
    except OSError as error:
        raise ReenactError(f"{path} can't be written ({error.strerror}); give another path") from error
    finally:
        temporary.unlink(missing_ok=True)
