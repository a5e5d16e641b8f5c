"""Files that are there as a whole or not at all: written beside their place, then renamed."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from reenact.errors import ReenactError
from reenact.provenance import mark_words
from reenact.watermark import embed_watermark

PART = ".part"
"""Suffix of a file that is being written; its name starts with a dot."""
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
"""Errors of file systems that have no hard links."""


@contextmanager
def replace_file(path: Path, durable: bool = False) -> Iterator[Path]:
    """Write a file beside its place and rename it once it is whole; two processes may do so at the same time.

    Args:
        path: The file; its folder is created.
        durable: Wait until it is on the disk, so that it survives a power cut.

    Yields:
        The path to write to. It is removed where the block does not end well.

    Raises:
        ReenactError: if the disk does not take the file; the file that was there before stays.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}{PART}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        if durable:
            _sync_to_disk(partial)
        partial.replace(path)
        if durable:
            _sync_to_disk(path.parent)
    except OSError as error:
        raise write_error(path, error) from error
    finally:
        partial.unlink(missing_ok=True)


def link_file(target: Path, path: Path) -> None:
    """Give a file a second name in place of what has that name; a file system without hard links gets a copy.

    Raises:
        ReenactError: as `replace_file`.
    """
    with replace_file(path, durable=True) as partial:
        try:
            partial.hardlink_to(target)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            shutil.copyfile(target, partial)


def write_picture(
    picture: NDArray[np.uint8], path: Path, watermark: bool = True, metadata: Mapping[str, str] | None = None
) -> None:
    """Write a picture (H, W, 3) as PNG with the marks of generated files; raises `ReenactError` as `replace_file`.

    Args:
        picture: The pixels.
        path: The file.
        watermark: Change pixels for the invisible mark; not in pictures that are to be scored.
        metadata: More words to carry in the file.
    """
    info = PngInfo()
    for key, value in (mark_words() | dict(metadata or {})).items():
        info.add_itxt(key, value)
    with replace_file(path) as partial:
        Image.fromarray(embed_watermark(picture) if watermark else picture).save(partial, format="PNG", pnginfo=info)


def remove_parts(folder: Path) -> None:
    """Remove the unfinished files of a process that was killed; the caller alone writes to the folder."""
    for partial in folder.glob(f".*{PART}"):
        partial.unlink(missing_ok=True)


def write_error(path: Path, error: OSError) -> ReenactError:
    """One sentence for a file that the disk does not take."""
    return ReenactError(f"{path} cannot be written ({error.strerror or error}); make room on the disk")


def _sync_to_disk(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
