"""Meshes as PLY files, read back by their header."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reenact.errors import ReenactError
from reenact.media.mesh_files import write_mesh


def read_ply(path: Path) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Lines of the header, rows of vertices, and faces."""
    head, _, body = path.read_bytes().partition(b"end_header\n")
    lines = head.decode("ascii").splitlines()
    kinds = {"float": "<f4", "uchar": "u1"}
    words = [line.split() for line in lines]
    columns = [(word[2], kinds[word[1]]) for word in words if word[0] == "property" and word[1] in kinds]
    counts = {word[1]: int(word[2]) for word in words if word[0] == "element"}
    vertices = np.frombuffer(body, columns, counts["vertex"])
    faces = np.frombuffer(body, [("count", "u1"), ("numbers", "<i4", 3)], counts["face"], vertices.nbytes)
    assert vertices.nbytes + faces.nbytes == len(body)
    assert (faces["count"] == 3).all()
    return lines, vertices, faces["numbers"]


@pytest.mark.parametrize("coloured", [False, True])
def test_a_mesh_reads_back(tmp_path, coloured):
    draw = np.random.default_rng(0)
    vertices, faces = draw.normal(size=(5, 3)).astype(np.float32), draw.integers(0, 5, (7, 3))
    colours = draw.integers(0, 256, (5, 3)).astype(np.uint8) if coloured else None
    mark = {"synthetic": "true", "by": "a\nb", "comment": "not real"}
    write_mesh(tmp_path / "head.ply", vertices, faces, colours, mark)
    lines, rows, triangles = read_ply(tmp_path / "head.ply")
    assert lines[:2] == ["ply", "format binary_little_endian 1.0"]
    assert lines[2:5] == ["comment synthetic true", "comment by a b", "comment not real"]
    np.testing.assert_array_equal(np.stack([rows[axis] for axis in "xyz"], 1), vertices)
    np.testing.assert_array_equal(triangles, faces)
    assert ("red" in rows.dtype.names) == coloured
    if coloured:
        np.testing.assert_array_equal(np.stack([rows[name] for name in ("red", "green", "blue")], 1), colours)
    assert [path.name for path in tmp_path.iterdir()] == ["head.ply"]


def test_a_place_that_can_not_be_written_gets_one_sentence(tmp_path):
    with pytest.raises(ReenactError, match=r"head\.ply can't be written \(No such file or directory\); give another"):
        write_mesh(tmp_path / "none" / "head.ply", np.zeros((3, 3)), np.array([[0, 1, 2]]))
