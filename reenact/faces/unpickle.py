"""Reading the pickles that FLAME ships, without running anything that they say.

Official model files are pickles, mostly of Python 2, of a dictionary of numpy arrays, chumpy arrays and one scipy
sparse matrix; DECA's landmark embedding is a numpy file around a pickled dictionary, in part of torch tensors.
The unpickler here knows those constructors by name and hands out inert recipes in their place. No class or function of
numpy, scipy, chumpy or torch is ever called by the pickle; the arrays are built from the recipes afterwards, from bytes
whose number fits. Every other name is refused.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import re
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from reenact.errors import ReenactError

MAX_BYTES = 1 << 30
"""The largest model file is a tenth of this."""
MAX_MEMO = 1 << 20
"""Memo slots: official files use hundreds; the unpickler would allocate as many as a hostile file names."""

_DTYPE = re.compile(r"[biufSU]\d{1,4}")


class Recipe:
    """Stands for an object of the pickle; remembers the arguments of its constructor and its state."""

    def __new__(cls, *arguments: Any) -> Self:  # noqa: ANN401 - whatever the pickle holds
        """Keep the arguments."""
        recipe = super().__new__(cls)
        recipe.arguments = arguments
        recipe.state = None
        return recipe

    arguments: tuple[Any, ...]
    state: Any

    def __setstate__(self, state: Any) -> None:  # noqa: ANN401
        """Keep the state; without this method a pickle could set attributes of the recipes' classes."""
        self.state = state

    def value(self) -> Any:  # noqa: ANN401
        """The object that the recipe describes."""
        raise ValueError("an unexpected object")


class _Bytes(Recipe):
    """`_codecs.encode(text, 'latin1')`: how protocol 2 writes bytes."""

    def value(self) -> bytes:
        text, encoding = self.arguments
        if encoding != "latin1":
            raise ValueError("an unexpected encoding")
        return str(text).encode("latin1")


class _Dtype(Recipe):
    """`numpy.dtype(text, align, copy)` with its byte order in the state."""

    def value(self) -> np.dtype[Any]:
        text = self.arguments[0]
        text = "?" if text == "b1" else text
        if text == "O8":
            return np.dtype(object)
        if text != "?" and not _DTYPE.fullmatch(text):
            raise ValueError("an unexpected type of numbers")
        big = self.state is not None and self.state[1] == ">"
        return np.dtype(text).newbyteorder(">" if big else "<")


class _Array(Recipe):
    """`numpy.core.multiarray._reconstruct(...)`; the array itself is in the state."""

    def value(self) -> NDArray[Any]:
        shape, dtype, fortran, raw = self.state[-4:]
        if any(type(side) is not int or side < 0 for side in shape):
            raise ValueError("a negative array shape")
        dtype = dtype.value()
        if dtype.hasobject:
            if shape != () or len(raw) != 1:
                raise ValueError("an array of objects")
            return np.array(_resolve_value(raw[0]), dtype=object)
        raw = raw.encode("latin1") if isinstance(raw, str) else _resolve_value(raw)
        return np.frombuffer(raw, dtype).reshape(shape, order="F" if fortran else "C")


class _Buffer(Recipe):
    """`numpy.core.numeric._frombuffer(buffer, dtype, shape, order)`: how protocol 5 writes an array."""

    def value(self) -> NDArray[Any]:
        raw, dtype, shape, order = self.arguments
        kind = dtype.value()
        if kind.hasobject or not isinstance(raw, bytes | bytearray) or order not in ("C", "F"):
            raise ValueError("an unexpected buffer")
        if any(type(side) is not int or side < 0 for side in shape):
            raise ValueError("a negative array shape")
        return np.frombuffer(raw, kind).reshape(shape, order=order)


class _Scalar(Recipe):
    """`numpy.core.multiarray.scalar(dtype, bytes)`."""

    def value(self) -> Any:  # noqa: ANN401 - a numpy scalar of the type the pickle names
        dtype, raw = self.arguments
        raw = raw.encode("latin1") if isinstance(raw, str) else _resolve_value(raw)
        return np.frombuffer(raw, dtype.value(), count=1)[0]


class _Sparse(Recipe):
    """A scipy matrix in compressed rows or columns, made dense."""

    rows: bool

    def value(self) -> NDArray[Any]:
        parts = {str(key).lstrip("_"): _resolve_value(part) for key, part in self.state.items()}
        height, width = (int(side) for side in parts["shape"])
        lines, length = (height, width) if self.rows else (width, height)
        starts, minor, data = parts["indptr"], parts["indices"], parts["data"]
        if height * width * data.itemsize > MAX_BYTES or len(starts) != lines + 1 or len(minor) != len(data):
            raise ValueError("a broken sparse matrix")
        if starts[0] != 0 or starts[-1] != len(data) or (np.diff(starts) < 0).any():
            raise ValueError("a broken sparse matrix")
        major = np.repeat(np.arange(lines), np.diff(starts))
        if len(data) and not 0 <= minor.min() <= minor.max() < length:
            raise ValueError("a sparse matrix with an index outside")
        dense = np.zeros((lines, length), data.dtype)
        np.add.at(dense, (major, minor), data)
        return dense if self.rows else dense.T


class _SparseRows(_Sparse):
    rows = True


class _SparseColumns(_Sparse):
    rows = False


class _Chumpy(Recipe):
    """A chumpy leaf variable, whose array is its attribute `x`."""

    def value(self) -> Any:  # noqa: ANN401
        if not isinstance(self.state, dict) or "x" not in self.state:
            raise ValueError("a chumpy expression in place of an array")
        return _resolve_value(self.state["x"])


class _Storage(Recipe):
    """`torch.storage._load_from_bytes(bytes)`."""

    def value(self) -> NDArray[Any]:
        (raw,) = self.arguments
        storage = torch.load(io.BytesIO(_resolve_value(raw)), weights_only=True)
        # `untyped()` is the public spelling, but it warns that typed storages, which old files hold, are going away
        return np.asarray(torch.empty(0, dtype=storage.dtype).set_(storage._untyped_storage).numpy())


class _Tensor(Recipe):
    """`torch._utils._rebuild_tensor_v2(storage, offset, size, stride, ...)`, contiguous."""

    def value(self) -> NDArray[Any]:
        storage, offset, size, stride = self.arguments[:4]
        numbers: NDArray[Any] = storage.value()
        count = int(np.prod(size, dtype=np.int64))
        if offset != 0 or count != len(numbers) or np.prod(stride[:1]) * size[0] != count:
            raise ValueError("a tensor that is a view")
        return numbers.reshape(size)


class _Inert(Recipe):
    """Content of a model file beside arrays, which nobody reads."""


class _Reconstructed(Recipe):
    """`copy_reg._reconstructor(class, object, None)`: how protocols 0 and 1 write an object."""

    def __new__(cls, kind: type[Recipe], *rest: Any) -> Any:  # noqa: ANN401
        return kind()


_KNOWN: dict[tuple[str, str], type[Recipe]] = {
    ("numpy", "ndarray"): _Inert,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _Bytes,
    ("copy_reg", "_reconstructor"): _Reconstructed,
    ("copyreg", "_reconstructor"): _Reconstructed,
    ("torch._utils", "_rebuild_tensor_v2"): _Tensor,
    ("torch.storage", "_load_from_bytes"): _Storage,
    **{(module, name): _Inert for module in ("__builtin__", "builtins") for name in ("object", "set", "frozenset")},
    ("collections", "OrderedDict"): _Inert,
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _Array for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _Buffer for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): _Scalar for core in ("core", "_core")},
    **{(f"scipy.sparse.{module}", "csc_matrix"): _SparseColumns for module in ("csc", "_csc")},
    **{(f"scipy.sparse.{module}", "csr_matrix"): _SparseRows for module in ("csr", "_csr")},
}


class _RefusedError(Exception):
    """A name that model files do not hold."""


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> type[Recipe]:
        recipe = _Chumpy if module.split(".")[0] == "chumpy" else _KNOWN.get((module, name))
        if recipe is None:
            raise _RefusedError(f"{module}.{name}")
        return recipe


def load_arrays(path: Path) -> dict[str, Any]:
    """The dictionary in a model file: arrays, dense matrices, numbers and strings by name.

    Args:
        path: a `.pkl`, a `.npy` around a pickled dictionary, or a `.npz` of plain arrays.

    Raises:
        ReenactError: if the file is missing, too large, damaged, or names anything that is not an array.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise ReenactError(f"{path} has {size >> 20} MiB, too much for a face model: give the official file")
        return _load_npz(path) if path.suffix == ".npz" else _load_pickle(path)
    except FileNotFoundError:
        raise ReenactError(f"{path} does not exist: give the path of a FLAME file") from None
    except _RefusedError as refused:
        raise ReenactError(
            f"{path} was not loaded: it asks for {refused}, which no face model needs; "
            "get the file again from its official source"
        ) from None
    except ReenactError:
        raise
    except Exception as error:
        # whatever a damaged file makes the parsers raise, it means one thing to the person
        raise ReenactError(
            f"{path} is damaged or not a face model file ({type(error).__name__}): download it again"
        ) from error


def _load_npz(path: Path) -> dict[str, Any]:
    with np.load(path, allow_pickle=False) as archive:
        if sum(member.file_size for member in archive.zip.infolist()) > MAX_BYTES:
            raise ValueError("too large unpacked")
        return dict(archive.items())


def _load_pickle(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    if path.suffix == ".npy":
        stream = io.BytesIO(content)
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        read(stream)
        content = content[stream.tell() :]
    for opcode, argument, _ in pickletools.genops(content):
        if opcode.name in ("PUT", "LONG_BINPUT", "BINPUT") and int(argument or 0) > MAX_MEMO:
            raise ValueError("too many memo slots")
    loaded = _resolve_value(_Unpickler(io.BytesIO(content), encoding="latin1").load())
    loaded = loaded[()] if isinstance(loaded, np.ndarray) else loaded
    if not isinstance(loaded, dict):
        raise ValueError("not a dictionary")
    return {str(key): _resolve_value(value) for key, value in loaded.items() if not isinstance(value, _Inert)}


def _resolve_value(value: Any) -> Any:  # noqa: ANN401
    return value.value() if isinstance(value, Recipe) else value
