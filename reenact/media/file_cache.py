"""Facts of files, read once for as long as a file stays the same."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Generic, TypeVar

Fact = TypeVar("Fact")
FileStamp = tuple[int, int, int, int]
"""Device, inode, bytes and time of change in nanoseconds; another file or content has another stamp."""


def file_stamp(path: Path) -> FileStamp:
    """Read the stamp of a file; raises `OSError` where there is none."""
    status = path.stat()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


class FileCache(Generic[Fact]):
    """Keeps what was read of files in this process, the latest used, up to a size.

    Args:
        read: Reads the facts of a file, and says how many bytes they take.
        limit: Bytes in all.
    """

    def __init__(self, read: Callable[[Path], tuple[Fact, int]], limit: int) -> None:
        self._read = read
        self._limit = limit
        self._facts: OrderedDict[Path, tuple[FileStamp, Fact, int]] = OrderedDict()
        self._size = 0
        self._lock = Lock()

    def __call__(self, path: Path) -> Fact:
        """Read a file, or remember it where its stamp is the same; raises what `read` raises, and `OSError`."""
        place = path.absolute()
        stamp = file_stamp(path)
        with self._lock:
            entry = self._facts.get(place)
            if entry is not None and entry[0] == stamp:
                self._facts.move_to_end(place)
                return entry[1]
        fact, size = self._read(path)
        with self._lock:
            self._size -= self._facts.pop(place, (stamp, fact, 0))[2]
            self._facts[place] = stamp, fact, size
            self._size += size
            while self._size > self._limit and len(self._facts) > 1:
                self._size -= self._facts.popitem(last=False)[1][2]
        return fact
