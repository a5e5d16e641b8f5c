"""A folder beside a result for the files that a method writes on the way to it."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from reenact import __version__
from reenact.data.store.root_files import MANIFEST
from reenact.models.common.checkpoint import WEIGHTS


@contextmanager
def open_work_folder(out: Path, options: Mapping[str, object]) -> Iterator[Path]:
    """Name the folder for intermediate files of a result, and remove it when the result is written.

    The same inputs and options give the same folder, so that a method goes on where an interrupted run stopped. Nothing
    is created here.

    Args:
        out: The file of the result.
        options: Everything that the frames depend on; paths stand for the files that lie there.
    """
    values = {name: _describe(value) for name, value in options.items()}
    text = json.dumps([__version__, values], sort_keys=True)
    folder = out.with_name(f"{out.name}.{hashlib.sha256(text.encode()).hexdigest()[:12]}.work")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def _describe(value: object) -> object:
    """Return a plain value; for a path its file's size and time of change, since reading gigabytes takes minutes."""
    if not isinstance(value, Path):
        return str(value)
    names = [value / WEIGHTS, value / MANIFEST] if value.is_dir() else [value]
    states = [file.stat() for file in names if file.is_file()]
    return [str(value.resolve()), *((state.st_size, state.st_mtime_ns) for state in states)]
