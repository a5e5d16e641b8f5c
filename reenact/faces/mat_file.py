"""Numeric arrays of MATLAB files of version 5, read with every length checked.

The reader of scipy ends the process (SIGSEGV) on some damaged files. Face models need plain numeric arrays alone, so
this one reads those and passes over cells, structures and texts. Format: "MAT-File Format", MathWorks, chapter 1.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_BYTES = 1 << 30
"""Bytes of a file, and of an array unpacked; the largest official file is a tenth of this."""
_MATRIX, _COMPRESSED = 14, 15
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
"""Types of stored numbers."""
_NUMERIC_CLASSES = range(6, 16)
"""Classes of arrays of numbers."""
_COMPLEX = 0x800


def read_mat(path: Path) -> dict[str, NDArray[Any]]:
    """Read the numeric arrays of a file by name, in the type in which they are stored, with two sides or more.

    Raises:
        ValueError: if the file is damaged or of another version.
        OSError: if it can't be read.
    """
    return {name: array for name, array in _iterate_arrays(path) if array is not None}


def list_mat(path: Path) -> list[str]:
    """List the names of all arrays of a file; raise as `read_mat`."""
    return [name for name, _ in _iterate_arrays(path)]


def _iterate_arrays(path: Path) -> Iterator[tuple[str, NDArray[Any] | None]]:
    if path.stat().st_size > MOST_BYTES:
        raise ValueError("too large")
    content = memoryview(path.read_bytes())
    order = {b"IM": "<", b"MI": ">"}.get(bytes(content[126:128]))
    if order is None or len(content) < 128:
        raise ValueError("no MATLAB file of version 5")
    for kind, data in _iterate_elements(content[128:], order):
        if kind == _COMPRESSED:
            unpacked = list(_iterate_elements(memoryview(_decompress_data(data)), order))
            if len(unpacked) != 1:
                raise ValueError("a packed element that is not one array")
            kind, data = unpacked[0]
        if kind == _MATRIX:
            yield _read_array(data, order)


def _iterate_elements(content: memoryview, order: str) -> Iterator[tuple[int, memoryview]]:
    """Yield type and bytes of each element, whose length must lie within the content."""
    place = 0
    while place + 8 <= len(content):
        kind, length = struct.unpack_from(f"{order}II", content, place)
        start = place + 8
        if kind >> 16:  # a small element: its bytes stand within the tag
            kind, length, start = kind & 0xFFFF, kind >> 16, place + 4
            if length > 4:
                raise ValueError("a small element of more than 4 bytes")
            place += 8
        else:
            place = start + length if kind == _COMPRESSED else start + (length + 7) // 8 * 8
        if start + length > len(content):
            raise ValueError("an element that ends behind its file")
        yield kind, content[start : start + length]


def _decompress_data(data: memoryview) -> bytes:
    unpacker = zlib.decompressobj()
    try:
        content = unpacker.decompress(data, MOST_BYTES)
    except zlib.error as error:
        raise ValueError("a packed element that is damaged") from error
    if not unpacker.eof:
        raise ValueError("a packed element that is cut off or too large")
    return content


def _read_array(data: memoryview, order: str) -> tuple[str, NDArray[Any] | None]:
    """Read name and numbers of an array; None where it holds something else than real numbers."""
    parts = list(_iterate_elements(data, order))
    if len(parts) < 3 or len(parts[0][1]) != 8 or parts[1][0] != 5 or parts[2][0] != 1:
        raise ValueError("an array without flags, sides or name")
    (flags,) = struct.unpack_from(f"{order}I", parts[0][1])
    sides = np.frombuffer(parts[1][1], f"{order}i4").tolist()
    name = bytes(parts[2][1]).decode("latin1")
    if (flags & 0xFF) not in _NUMERIC_CLASSES or flags & _COMPLEX:
        return name, None
    if len(parts) != 4 or parts[3][0] not in _NUMBERS or len(sides) < 2 or min(sides) < 0:
        raise ValueError(f"{name} is damaged")
    numbers = np.frombuffer(parts[3][1], np.dtype(order + _NUMBERS[parts[3][0]]))
    if math.prod(sides) != len(numbers):
        raise ValueError(f"{name} has {len(numbers)} numbers for the sides {sides}")
    # A copy: arrays over the file's own bytes can't be written to.
    return name, numbers.astype(numbers.dtype.newbyteorder("=")).reshape(sides, order="F")
