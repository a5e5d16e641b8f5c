"""Reading parts of files: on this machine, or behind any URL that fsspec knows."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from reenact.errors import ReenactError

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem  # type: ignore[import-untyped]

Range = tuple[str, int, int]
"""A file, its first byte, and the byte after the last."""

_NEAR = 1 << 16
"""Ranges of one remote file that lie closer than this cost one request together."""


class Files(Protocol):
    """Source of the bytes of a data set's files. It holds nothing open, so it may be copied into worker processes."""

    peek: int
    """Bytes at the start of an array file that are worth reading in the first request."""

    def read(self, ranges: Sequence[Range]) -> list[bytes]:
        """The bytes of each range, fewer where the file ends before; raises `OSError` or `ReenactError`."""


class LocalFiles:
    """Files of this machine: a file is opened once for all of its ranges."""

    peek = 1 << 13

    def read(self, ranges: Sequence[Range]) -> list[bytes]:
        """The bytes of each range, fewer where the file ends before; raises `OSError`."""
        opened: dict[str, int] = {}
        try:
            parts = []
            for file, first, last in ranges:
                if file not in opened:
                    opened[file] = os.open(file, os.O_RDONLY)
                parts.append(os.pread(opened[file], last - first, first))
            return parts
        finally:
            for descriptor in opened.values():
                os.close(descriptor)


class RemoteFiles:
    """Files behind a URL: near ranges become one request, and requests run at the same time.

    Args:
        url: A folder, such as `s3://bucket/shards`; a chain such as `filecache::s3://bucket/shards` keeps whole files
            in a local folder.
    """

    peek = 1 << 20  # one request for all that is known of a clip costs less than three for the rows of two frames

    def __init__(self, url: str) -> None:
        self.url = url

    def read(self, ranges: Sequence[Range]) -> list[bytes]:
        """The bytes of each range, fewer where the file ends before.

        Raises:
            ReenactError: if the URL can't be reached.
        """
        from fsspec.utils import merge_offset_ranges  # type: ignore[import-untyped]

        filesystem, folder = _open_filesystem(self.url, os.getpid())
        merged = merge_offset_ranges(*(list(column) for column in zip(*ranges, strict=True)), max_gap=_NEAR)
        try:
            blocks = filesystem.cat_ranges([f"{folder}/{file}" for file in merged[0]], *merged[1:], on_error="raise")
        except Exception as error:  # every backend has errors of its own
            raise unreachable_error(self.url, error) from error
        named_blocks = list(zip(*merged, blocks, strict=True))
        return [_cut_range(byte_range, named_blocks) for byte_range in ranges]


def is_url(root: str) -> bool:
    """Return True if a data set's root is a URL; everything else is a folder."""
    return "://" in root


def read_whole(url: str, file: str) -> bytes:
    """All of a file in a folder behind a URL; raises `ReenactError` if it can't be reached."""
    filesystem, folder = _open_filesystem(url, os.getpid())
    try:
        data: bytes = filesystem.cat_file(f"{folder}/{file}")
    except Exception as error:
        raise unreachable_error(f"{url}/{file}", error) from error
    return data


def unreachable_error(url: str, error: BaseException) -> ReenactError:
    """The sentence for a URL that does not answer."""
    why = " ".join(str(error).split()) or type(error).__name__
    return ReenactError(f"{url} can't be read ({why}); check the URL, the network and your access rights")


def _cut_range(byte_range: Range, blocks: Sequence[tuple[str, int, int, bytes]]) -> bytes:
    """A range out of the blocks that were read."""
    file, first, last = byte_range
    return next(
        data[first - start : last - start]
        for name, start, end, data in blocks
        if name == file and start <= first and last <= end
    )


@lru_cache(maxsize=8)
def _open_filesystem(url: str, process: int) -> tuple[AbstractFileSystem, str]:
    # By process: a connection does not survive a fork.
    import fsspec

    try:
        filesystem, folder = fsspec.core.url_to_fs(url)
    except ImportError as error:
        raise ReenactError(f"{url} needs a package that is not installed: {error}") from error
    except ValueError as error:
        raise unreachable_error(url, error) from error
    return filesystem, folder.rstrip("/")
