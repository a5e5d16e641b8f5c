"""Values read from files, held against what they must be; each check raises `ValueError`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reenact.names import is_name

MOST_FRAMES = 1 << 31
"""Frames of a clip; at 25 frames/s this is years."""
MOST_SIDE = 1 << 14
"""Pixels along a side of stored frames."""


def check_text(value: object, subject: str) -> str:
    """Return a value that is text."""
    if not isinstance(value, str):
        raise ValueError(f"{subject} is {str(value)[:40]!r}, no text")
    return value


def check_integer(value: object, subject: str, least: int, most: int) -> int:
    """Return a whole number within bounds."""
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ValueError(f"{subject} is {str(value)[:40]!r}, no number from {least} to {most}")
    return value


def check_texts(value: object, subject: str) -> tuple[str, ...]:
    """Return a list of texts as a tuple."""
    if not isinstance(value, list | tuple):
        raise ValueError(f"{subject} is no list")
    return tuple(check_text(item, f"an entry of {subject}") for item in value)


def check_face_model(value: object) -> str:
    """Return the recorded name of a face model, or the empty text of a store without one."""
    if value != "" and not is_name(value):
        raise ValueError(f"face_model is {str(value)[:40]!r}, no name")
    return str(value)


def check_array(array: NDArray[Any], subject: str, kind: type[np.generic], rows: int | None = None) -> None:
    """Check the type and length of a list of numbers."""
    if array.ndim != 1 or array.dtype != kind or rows not in (None, len(array)):
        raise ValueError(f"{subject} has type {array.dtype} and shape {array.shape}")


def check_range(array: NDArray[Any], subject: str, least: int, most: int) -> None:
    """Check that every number lies within bounds."""
    if len(array) and not least <= array.min() <= array.max() <= most:
        raise ValueError(f"{subject} holds a number that is not from {least} to {most}")


def check_packed_texts(text: NDArray[Any], ends: NDArray[Any], subject: str) -> None:
    """Check texts in two arrays: UTF-8, and ends that rise within it and lie between characters."""
    check_array(text, subject, np.uint8)
    check_array(ends, f"{subject} (ends)", np.int64)
    if (np.diff(ends, prepend=0) < 0).any() or (ends[-1] if len(ends) else 0) != len(text):
        raise ValueError(f"the ends of {subject} do not divide its text")
    text.tobytes().decode()
    inside = ends[ends < len(text)]
    if ((text[inside] & 0xC0) == 0x80).any():
        raise ValueError(f"an end of {subject} lies within a character")
