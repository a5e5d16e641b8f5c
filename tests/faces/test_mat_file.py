"""MATLAB files: what scipy writes is read alike, and damage never ends the process."""

from __future__ import annotations

import io

import numpy as np
import pytest
import scipy.io
from hypothesis import given, settings
from hypothesis import strategies as st

from reenact.faces.mat_file import list_mat, read_mat


def arrays():
    draw = np.random.default_rng(0)
    return {
        "meanshape": draw.random((1, 30)),
        "idBase": np.asfortranarray(draw.random((30, 8)).astype(np.float32)),
        "tri": draw.integers(1, 10, (7, 3)).astype(np.uint16),
        "one": np.array([[3.0]]),
        "none": np.zeros((0, 3)),
        "cube": draw.random((2, 3, 4)),
        "skinmask": draw.random((1, 9)) > 0.5,
    }


def written(compressed: bool) -> bytes:
    stream = io.BytesIO()
    scipy.io.savemat(
        stream, arrays() | {"title": "a text", "cell": np.array([1, "x"], object)}, do_compression=compressed
    )
    return stream.getvalue()


@pytest.mark.parametrize("compressed", [False, True])
def test_arrays_are_read_as_scipy_reads_them(tmp_path, compressed):
    path = tmp_path / "a.mat"
    path.write_bytes(written(compressed))
    theirs = scipy.io.loadmat(path)
    ours = read_mat(path)
    assert set(ours) == set(arrays())
    for name, array in ours.items():
        np.testing.assert_array_equal(array, theirs[name])
        assert array.dtype == theirs[name].dtype.newbyteorder("=")
    assert sorted(list_mat(path)) == sorted(name for name, *_ in scipy.io.whosmat(path))


@settings(max_examples=300)
@given(
    st.booleans(),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=8),
    st.floats(0.01, 1),
)
def test_damage_is_a_value_error_or_a_result(tmp_path_factory, compressed, changes, cut):
    data = bytearray(written(compressed))
    for place, value in changes:
        data[int(place * len(data))] = value
    path = tmp_path_factory.getbasetemp() / "damaged.mat"
    for part in (1.0, cut):
        path.write_bytes(bytes(data[: int(part * len(data))]))
        try:
            read_mat(path)
        except ValueError:
            continue
