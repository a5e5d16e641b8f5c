"""Numba's compiler, with a folder that can hold what it compiled."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from numba import njit
from numba.core.config import reload_config

__all__ = ["njit"]


def _sample_function() -> int:
    return 0


def _private_folder() -> Path:
    """Return a folder for temporary files that nobody else can write to: what it holds is run."""
    if not hasattr(os, "getuid"):
        return Path(tempfile.mkdtemp(prefix="reenact-numba-"))
    path = Path(tempfile.gettempdir()) / f"reenact-numba-{os.getuid()}"
    path.mkdir(mode=0o700, exist_ok=True)
    status = path.lstat()
    if path.is_symlink() or status.st_uid != os.getuid() or status.st_mode & 0o022:
        return Path(tempfile.mkdtemp(prefix="reenact-numba-"))
    return path


def set_cache_folder() -> None:
    """Let Numba keep compiled code in a temporary folder where neither the package nor the home can be written.

    Numba raises RuntimeError for `cache=True` in an installation shared by several people with a read-only home.
    """
    try:
        njit(cache=True)(_sample_function)  # finds a folder, compiles nothing
    except RuntimeError:
        os.environ["NUMBA_CACHE_DIR"] = str(_private_folder())  # loading processes inherit it
        reload_config()  # type: ignore[no-untyped-call]


set_cache_folder()
