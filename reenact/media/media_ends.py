"""Check that a file holds the bytes that its container declares, whichever times its header states."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

_SEGMENT = b"\x18\x53\x80\x67"
_MAX_BOXES = 100_000


def bytes_stated(path: Path) -> int | None:
    """The bytes that a file must have by its outermost boxes; None for containers without such sizes.

    Read are the boxes of MP4 and QuickTime, the segment of Matroska and WebM, and the chunk of RIFF.

    Raises:
        OSError: if the file can't be read.
    """
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] == b"\x1a\x45\xdf\xa3":
            return _measure_matroska(file)
        if head[:4] == b"RIFF":
            size = int.from_bytes(head[4:8], "little")
            return 8 + size if size else None
        if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
            return _measure_boxes(file, path.stat().st_size)
    return None


def _measure_boxes(file: BinaryIO, size: int) -> int:
    place = 0
    for _ in range(_MAX_BOXES):
        file.seek(place)
        head = file.read(16)
        if len(head) < 8 or not head[4:8].isascii():
            return place
        length = int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        if length < 8:  # 0: up to the end of the file
            return size
        place += length
    return size


def _measure_matroska(file: BinaryIO) -> int | None:
    file.seek(4)
    header = _variable_size(file)
    if header is None:
        return None
    file.seek(header, 1)
    if file.read(4) != _SEGMENT:
        return None
    size = _variable_size(file)
    return None if size is None else file.tell() + size


def _variable_size(file: BinaryIO) -> int | None:
    """A length of EBML: as many bytes as the first has leading zeros and one; None where it is unknown."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    width = 9 - first[0].bit_length()
    value = int.from_bytes(first + file.read(width - 1), "big") & ((1 << 7 * width) - 1)
    return None if value == (1 << 7 * width) - 1 else value
