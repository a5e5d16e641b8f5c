import contextlib
import io
import os
import pickle
import zipfile

import numpy as np
import pytest
import scipy.sparse
import torch

from faces.made_flame import made_embedding, write_pickle
from reenact.errors import ReenactError
from reenact.faces.unpickle import load_arrays


class Calls:
    """Pickles to a call of any function with any arguments."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


@pytest.fixture
def small():
    rng = np.random.default_rng(0)
    regressor = rng.random((5, 30)) * (rng.random((5, 30)) < 0.2)
    return {
        "v_template": rng.random((30, 3)),
        "shapedirs": np.asfortranarray(rng.random((30, 3, 4)).astype(np.float32)),
        "weights": rng.random((30, 5)).astype(">f8"),
        "J_regressor": regressor,
        "f": rng.integers(0, 30, (7, 3)).astype(np.uint32),
    }


@pytest.mark.parametrize("protocol", [0, 1, 2])
def test_official_form(tmp_path, small, protocol):
    path = write_pickle(tmp_path / "generic_model.pkl", small, protocol)
    assert b"numpy.core.multiarray" in path.read_bytes()
    assert b"chumpy.ch" in path.read_bytes()
    loaded = load_arrays(path)
    for key, value in small.items():
        np.testing.assert_array_equal(loaded[key], value)
    assert loaded["bs_style"] == "lbs"


@pytest.mark.parametrize("kind", [scipy.sparse.csc_matrix, scipy.sparse.csr_matrix])
def test_sparse_matrices(tmp_path, small, kind):
    path = tmp_path / "m.pkl"
    path.write_bytes(pickle.dumps({"matrix": kind(small["J_regressor"])}))
    np.testing.assert_array_equal(load_arrays(path)["matrix"], small["J_regressor"])


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_files_pickled_anew_by_any_protocol(tmp_path, small, protocol):
    content = small | {"J_regressor": scipy.sparse.csc_matrix(small["J_regressor"]), "bs_style": "lbs"}
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(content, protocol))
    loaded = load_arrays(path)
    for key, value in small.items():
        np.testing.assert_array_equal(loaded[key], value)
        assert loaded[key].dtype == value.dtype


def test_python2_strings(tmp_path):
    """Python 2 wrote array bytes as 8-bit strings, which protocol 2 of Python 3 never does."""
    array = np.array([1.5, -2.25, 1e300])
    raw = array.tobytes()
    head = b"\x80\x02}U\x01xcnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    dtype = b"cnumpy\ndtype\nU\x02f8K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    state = b"(K\x01K\x03\x85" + dtype + b"\x89U" + bytes([len(raw)]) + raw + b"tb"
    path = tmp_path / "m.pkl"
    path.write_bytes(head + state + b"s.")
    np.testing.assert_array_equal(load_arrays(path)["x"], array)


def test_decas_embedding(tmp_path):
    path = tmp_path / "landmark_embedding.npy"
    np.save(path, made_embedding(), allow_pickle=True)
    loaded = load_arrays(path)
    for key, value in made_embedding().items():
        np.testing.assert_array_equal(loaded[key], np.asarray(value))


def test_npz(tmp_path, small):
    np.savez(tmp_path / "m.npz", **small)
    loaded = load_arrays(tmp_path / "m.npz")
    assert loaded.keys() == small.keys()
    np.savez(tmp_path / "objects.npz", v_template=np.array([{}], dtype=object))
    with pytest.raises(ReenactError, match=r"objects.npz"):
        load_arrays(tmp_path / "objects.npz")


EVIL = {
    "os.system": lambda marker: Calls(os.system, f"touch {marker}"),
    "open": lambda marker: Calls(open, str(marker), "w"),
    "eval": lambda marker: Calls(eval, f"open({str(marker)!r}, 'w')"),
    "numpy.load": lambda marker: Calls(np.load, str(marker)),
    "numpy.fromfile": lambda marker: Calls(np.fromfile, "/etc/hostname"),
    "torch.load": lambda marker: Calls(torch.load, str(marker)),
    "bytearray": lambda marker: Calls(bytearray, 10),
    "codecs.decode": lambda marker: Calls(__import__("codecs").decode, "x", "zip"),
}


@pytest.mark.parametrize("name", EVIL)
@pytest.mark.parametrize("suffix", [".pkl", ".npy"])
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_malicious_files_are_refused_and_not_run(tmp_path, name, suffix, protocol):
    marker, path = tmp_path / "ran", tmp_path / f"generic_model{suffix}"
    content = pickle.dumps({"v_template": EVIL[name](marker)}, protocol)
    if suffix == ".npy":
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(header, {"descr": "|O", "fortran_order": False, "shape": ()})
        content = header.getvalue() + content
    path.write_bytes(content)
    with pytest.raises(ReenactError, match="was not loaded: it asks for") as caught:
        load_arrays(path)
    assert not marker.exists()
    assert str(path) in str(caught.value)


def test_bytes_of_a_storage_cannot_smuggle_code(tmp_path):
    inner = pickle.dumps({"x": Calls(os.system, f"touch {tmp_path / 'ran'}")}, 2)
    content = (
        b"\x80\x02}X\x01\x00\x00\x00xctorch._utils\n_rebuild_tensor_v2\n"
        b"ctorch.storage\n_load_from_bytes\nc_codecs\nencode\n"
        + pickle.dumps(inner.decode("latin1"), 2)[2:-1]
        + b"X\x06\x00\x00\x00latin1\x86R\x85RK\x00K\x01\x85K\x01\x85\x89}t"
    )
    content = content.replace(b"_rebuild_tensor_v2\n", b"_rebuild_tensor_v2\n(", 1) + b"Rs."
    (tmp_path / "m.pkl").write_bytes(content)
    with pytest.raises(ReenactError, match="damaged"):
        load_arrays(tmp_path / "m.pkl")
    assert not (tmp_path / "ran").exists()


def test_a_pickle_cannot_change_the_unpickler(tmp_path, small):
    """BUILD sets attributes on whatever lies on the stack, also on a class that the unpickler handed out."""
    attack = b"\x80\x02cnumpy\ndtype\nN}X\x05\x00\x00\x00valueX\x01\x00\x00\x00ys\x86b0}."
    (tmp_path / "m.pkl").write_bytes(attack)
    with pytest.raises(ReenactError, match="damaged"):
        load_arrays(tmp_path / "m.pkl")
    path = write_pickle(tmp_path / "generic_model.pkl", small)
    np.testing.assert_array_equal(load_arrays(path)["f"], small["f"])


def broken_files(small_path):
    raw = small_path.read_bytes()
    yield "empty", b""
    yield "text", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 53023716\n"
    yield "cut", raw[: len(raw) // 2]
    yield "cut late", raw[:-3]
    yield "memo", b"\x80\x02}r\xff\xff\xff\x7f."
    yield "long string", b"\x80\x04\x8d" + b"\xff" * 7 + b"\x7fabc."
    yield "huge array", b"\x80\x02}" + huge_array() + b"s."
    yield "list", pickle.dumps([1, 2])
    yield "nested", b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b"."
    yield "chumpy expression", b"\x80\x02}X\x01\x00\x00\x00xcchumpy.ch\nCh\n)\x81}bs."


def huge_array():
    dtype = b"cnumpy\ndtype\nU\x02f8K\x00K\x01\x87R"
    shape = b"J\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x86"
    head = b"U\x01xcnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    return head + b"(K\x01" + shape + dtype + b"\x89U\x04abcdtb"


def test_damaged_files_give_one_sentence(tmp_path, small):
    path = write_pickle(tmp_path / "good.pkl", small)
    for name, content in broken_files(path):
        bad = tmp_path / f"{name}.pkl"
        bad.write_bytes(content)
        with pytest.raises(ReenactError, match=r"damaged or not a face model file") as caught:
            load_arrays(bad)
        assert str(bad) in str(caught.value), name
        assert "\n" not in str(caught.value), name


def test_random_damage_never_escapes(tmp_path, small):
    raw = bytearray(write_pickle(tmp_path / "good.pkl", small).read_bytes())
    rng = np.random.default_rng(0)
    for trial in range(300):
        copy = raw.copy()
        for place in rng.integers(0, len(raw), 3):
            copy[place] = rng.integers(256)
        bad = tmp_path / f"bad{trial % 2}.pkl"
        bad.write_bytes(copy)
        with contextlib.suppress(ReenactError):
            load_arrays(bad)


def test_sparse_indices_are_checked(tmp_path):
    for indices, starts in (([0, 99], [0, 1, 2]), ([0, 1], [0, 2**40, 2]), ([0, 1], [0, 1])):
        matrix = scipy.sparse.csr_matrix(np.eye(2))
        matrix.indices, matrix.indptr = np.array(indices), np.array(starts)
        (tmp_path / "m.pkl").write_bytes(pickle.dumps({"matrix": matrix}))
        with pytest.raises(ReenactError, match="damaged"):
            load_arrays(tmp_path / "m.pkl")


def test_damaged_npz_and_missing_file(tmp_path, small):
    path = tmp_path / "m.npz"
    np.savez(path, **small)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ReenactError, match="damaged"):
        load_arrays(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("v_template.npy", b"\x93NUMPY\x01\x00 nonsense")
    with pytest.raises(ReenactError, match="damaged"):
        load_arrays(path)
    with pytest.raises(ReenactError, match="does not exist"):
        load_arrays(tmp_path / "none.pkl")
