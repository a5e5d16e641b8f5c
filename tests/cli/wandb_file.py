"""Reads the file of an offline Weights & Biases run: a log of protocol-buffer records in LevelDB's format."""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

from wandb.proto.wandb_internal_pb2 import Record

BLOCK = 32768
FILE_HEADER = 7
PIECE_HEADER = 7
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4


def records(path: Path) -> Iterator[Record]:
    """The records of a `.wandb` file, in order, up to what its service has not wholly written."""
    content = path.read_bytes()
    place, whole = FILE_HEADER, b""
    while place + PIECE_HEADER <= len(content):
        left = BLOCK - place % BLOCK
        if left < PIECE_HEADER:
            place += left
            continue
        checksum, length, kind = struct.unpack_from("<IHB", content, place)
        place += PIECE_HEADER
        piece = content[place : place + length]
        if checksum != crc32(bytes([kind]) + piece):
            return
        whole += piece
        place += length
        if kind in (FULL, LAST):
            record = Record()
            record.ParseFromString(whole)
            yield record
            whole = b""


def finished(path: Path, patience: float = 60.0) -> list[Record]:
    """All records, once the last is there: a service of its own writes the file."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        found = list(records(path))
        if found and found[-1].WhichOneof("record_type") == "exit":
            return found
        time.sleep(0.2)
    raise AssertionError(f"{path} has no last record")


def config_of(run: Path) -> dict[str, Any]:
    """The settings of a run."""
    found: dict[str, Any] = {}
    for record in finished(run):
        for item in (*record.run.config.update, *record.config.update):
            _set(found, item)
    return found


def history_of(run: Path) -> dict[str, list[Any]]:
    """Key -> everything that was logged under it."""
    found: dict[str, list[Any]] = {}
    for record in finished(run):
        row: dict[str, Any] = {}
        for item in record.history.item:
            _set(row, item)
        for key, value in row.items():
            found.setdefault(key, []).append(value)
    return found


def _set(target: dict[str, Any], item: Any) -> None:
    *parents, last = list(item.nested_key) or [item.key]
    for parent in parents:
        target = target.setdefault(parent, {})
    target[last] = json.loads(item.value_json)
