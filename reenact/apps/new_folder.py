"""Result folders that are checked before the work starts, and are taken away where it fails."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from reenact.errors import ReenactError


@contextmanager
def new_folder(out: Path) -> Iterator[None]:
    """Make a folder and try to write in it before anything is scored; take away what it holds where scoring fails.

    Raises:
        ReenactError: if it holds something already, or can't be written.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ReenactError(f"--out {out} exists; name a new folder")
    absent = [folder for folder in (out, *out.parents) if not folder.exists()]
    complete = False
    try:
        _check_writable(out)
        yield
        complete = True
    finally:
        if not complete:
            _clear_folder(out)
            for folder in absent:
                with suppress(OSError):
                    folder.rmdir()


def _check_writable(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise unwritable_folder_error(out, error) from error


def unwritable_folder_error(out: Path, error: OSError) -> ReenactError:
    """Return the error of a folder that can't be written."""
    return ReenactError(f"--out {out} can't be written ({error.strerror or error}); name another folder")


def _clear_folder(folder: Path) -> None:
    for item in folder.iterdir() if folder.is_dir() else ():
        if item.is_dir():
            shutil.rmtree(item, ignore_errors=True)
        else:
            item.unlink(missing_ok=True)
