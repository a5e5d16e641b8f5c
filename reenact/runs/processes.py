"""Runs of several processes: the first one starts this very command once more for each further device.

No torch here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reenact.errors import ReenactError

_RANKS = ("RANK", "LOCAL_RANK", "SLURM_PROCID", "JSM_NAMESPACE_RANK")
"""Environment variables of the number of a process, in Lightning's order."""
_RUN_FOLDER = "REENACT_RUN_FOLDER"
_FOUNDATION = "REENACT_FOUNDATION"


def is_first() -> bool:
    """Tell if this process is the one that prints and writes."""
    return next((os.environ[name] for name in _RANKS if name in os.environ), "0") == "0"


@contextmanager
def share_run_folder(out: Path) -> Iterator[None]:
    """Tell the processes that are started in this context which run folder is theirs."""
    os.environ[_RUN_FOLDER] = str(out)
    try:
        yield
    finally:
        del os.environ[_RUN_FOLDER]


def shared_run() -> str:
    """The run folder of the first process, for the others.

    Raises:
        ReenactError: if something else than the first process started this one, so that nobody said.
    """
    if _RUN_FOLDER not in os.environ:
        raise ReenactError("--out is missing: name the run folder that all processes of torchrun or srun share")
    return os.environ[_RUN_FOLDER]


@contextmanager
def share_foundation(checkpoint: str) -> Iterator[None]:
    """Tell the processes that are started in this context which checkpoint their run stands on."""
    os.environ[_FOUNDATION] = checkpoint
    try:
        yield
    finally:
        del os.environ[_FOUNDATION]


def shared_foundation(option: str) -> str:
    """Return the foundation of the first process, for the others.

    Raises:
        ReenactError: if something else than the first process started this one, so that nobody trained it.
    """
    if _FOUNDATION not in os.environ:
        raise ReenactError(
            f"--{option} is missing: train the foundation by a command of its own before torchrun or srun starts"
            " several processes, and name its checkpoint"
        )
    return os.environ[_FOUNDATION]
