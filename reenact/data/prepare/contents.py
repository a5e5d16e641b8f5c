"""Telling whether the content of a clip's file, or of its folder of frames, is the same as before."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from pathlib import Path

from reenact.media.pictures import pictures_in


def content_digest(path: Path) -> str:
    """A hash of what the files hold; raises `OSError` where one can't be read."""
    digest = hashlib.blake2b(digest_size=16)
    for file in _list_files(path):
        with file.open("rb") as opened:
            digest.update(hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()


def hash_stamp(path: Path) -> str:
    """Sizes and times of change, hashed: while they stay, the content is taken for the same; raises `OSError`."""
    digest = hashlib.blake2b(digest_size=16)
    for file in _list_files(path):
        state = file.stat()
        digest.update(os.fsencode(file.name) + f" {state.st_size} {state.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _list_files(path: Path) -> list[Path]:
    """List the clip's files; raise `OSError` where one is no regular file, as a pipe has no end."""
    files = pictures_in(path) if path.is_dir() else [path]
    for file in files:
        if not stat.S_ISREG(file.stat().st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file", str(file))
    return files
