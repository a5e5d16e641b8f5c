"""Readings of real pictures, kept from one validation to the next."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import fields, is_dataclass, replace
from typing import Any

import torch
from torch import Tensor

LARGEST = 64 * 1024
"""Bytes of a picture's reading up to which it is kept; layers of networks are larger, and read anew."""


class Memory:
    """Readings by reader and picture; those that a whole validation with the reader did not ask for are forgotten."""

    def __init__(self) -> None:
        # readers are keys themselves, so that none is freed and its number given to another
        self._now: defaultdict[object, dict[bytes, Any]] = defaultdict(dict)
        self._before: defaultdict[object, dict[bytes, Any]] = defaultdict(dict)

    def __len__(self) -> int:
        """Readings kept."""
        return sum(len(of) for both in (self._now, self._before) for of in both.values())

    def knows(self, reader: object, digest: bytes) -> bool:
        """Tell if a reader has read a picture."""
        return digest in self._now[reader] or digest in self._before[reader]

    def keep(self, reader: object, digests: list[bytes], reading: Any) -> bool:  # noqa: ANN401  # see `Reader`
        """Keep what was read in pictures of these digests; whether it is small enough to be kept."""
        if _count_bytes(reading) > LARGEST * len(digests):
            return False
        for row, digest in enumerate(digests):
            self._now[reader][digest] = _move_reading(rows_of(reading, [row]), torch.device("cpu"))
        return True

    def recall(self, reader: object, digests: list[bytes], device: torch.device) -> Any:  # noqa: ANN401  # as above
        """Return the readings of pictures that are all stored."""
        now, before = self._now[reader], self._before[reader]
        for digest in digests:
            if digest not in now:
                now[digest] = before.pop(digest)
        return _move_reading(_join_readings([now[digest] for digest in digests]), device)

    def turn(self) -> None:
        """A new validation begins; readers that the last one did not look with keep all that they know."""
        for reader, readings in self._now.items():
            if readings:
                self._before[reader], self._now[reader] = readings, {}


def rows_of(reading: Any, rows: list[int]) -> Any:  # noqa: ANN401  # as above
    """Some rows of a reading: of each tensor in it, in this order."""
    return _map_readings(lambda tensors: tensors[0][rows], [reading])


def _join_readings(readings: list[Any]) -> Any:  # noqa: ANN401  # as above
    return _map_readings(torch.cat, readings)


def _move_reading(reading: Any, device: torch.device) -> Any:  # noqa: ANN401  # as above
    return _map_readings(lambda tensors: tensors[0].to(device), [reading])


def _map_readings(do: Any, readings: list[Any]) -> Any:  # noqa: ANN401  # as above
    """Apply a function of a list of tensors to each place of readings of one form."""
    first = readings[0]
    if isinstance(first, Tensor):
        return do(readings)
    if first is None:
        return None
    if isinstance(first, list):
        return [_map_readings(do, list(entries)) for entries in zip(*readings, strict=True)]
    assert is_dataclass(first)
    assert not isinstance(first, type)
    names = [entry.name for entry in fields(first)]
    return replace(
        first, **{name: _map_readings(do, [getattr(reading, name) for reading in readings]) for name in names}
    )


def _count_bytes(reading: Any) -> int:  # noqa: ANN401  # as above
    if isinstance(reading, Tensor):
        return reading.numel() * reading.element_size()
    if reading is None:
        return 0
    parts = reading if isinstance(reading, list) else [getattr(reading, entry.name) for entry in fields(reading)]
    return sum(_count_bytes(part) for part in parts)
