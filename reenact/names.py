"""Names from files that become names of folders and files."""

from __future__ import annotations

import re

from reenact.errors import ReenactError

MAX_LENGTH = 200
"""Characters of a name; file systems take 255 bytes, of which suffixes and temporary names need some."""

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")


def is_name(text: object) -> bool:
    """Tell if a value can become the name of a folder or file: letters, digits, `.`, `_`, `-`, no `.` in front."""
    return isinstance(text, str) and len(text) <= MAX_LENGTH and _NAME.fullmatch(text) is not None


def check_name(text: object, subject: str) -> str:
    """Return a text that can become the name of a folder or file, on this and every other system.

    Args:
        text: the value as it stands in a file.
        subject: the file and field that it stands in, for the message.

    Raises:
        ReenactError: if it is no text, empty, longer than `MAX_LENGTH`, starts with a dot or holds other characters.
    """
    if isinstance(text, str) and is_name(text):
        return text
    raise ReenactError(
        f"{subject} is {str(text)[:60]!r}, which is not a name: use letters, digits, '.', '_' and '-', no '.' in front"
    )
