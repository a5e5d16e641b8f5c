"""Messages on the terminal: our own lines and warnings, not those of libraries about themselves."""

from __future__ import annotations

import logging
import sys
import warnings
from contextlib import suppress
from pathlib import Path

from reenact.runs.processes import is_first

LOG = logging.getLogger("reenact")
_LIBRARIES = ("pytorch_lightning", "lightning_fabric")

HIDDEN = (
    # Lightning's own use of a function that newer torch renames.
    r".*isinstance\(treespec, LeafSpec\).*",
    # Tiny runs have short epochs; rows are written by step, across epochs.
    r"The number of training batches .* is smaller than the logging interval",
    # The number of workers is the datamodule's choice and an option; on small machines it is right.
    r"The '\w+_dataloader' does not have many workers",
    # A test writes into a folder of its own; which checkpoint was best matters to the run that made it.
    r"The dirpath has changed from",
    # The metrics that are logged are those of all processes already.
    r"It is recommended to use `self.log\('(val|test)/",
    # The datamodule finds its place by itself, see `EpochSampler`.
    r"You're resuming from a checkpoint that ended before the epoch ended",
    # The state after a step is the one to go on from.
    r"Using ModelCheckpoint with manual optimization",
    # A stage that trains a part alone leaves the rest in evaluation.
    r"Found .* module\(s\) in eval mode at the start of training",
    # A resumed run goes on in its own folder.
    r"Checkpoint directory .* exists and is not empty",
)
"""Beginnings of warnings that a person can do nothing about, with the reason."""


def begin_logging() -> None:
    """Let the terminal hear this package's messages, and of Lightning warnings alone."""
    close_logging()
    warnings.formatwarning = _without_place
    for message in HIDDEN:
        warnings.filterwarnings("ignore", message=message)
    terminal = logging.StreamHandler(sys.stdout)
    terminal.setFormatter(logging.Formatter("%(message)s"))
    LOG.setLevel(logging.INFO if is_first() else logging.WARNING)
    LOG.addHandler(terminal)
    for name in _LIBRARIES:
        for handler in logging.getLogger(name).handlers:
            handler.setLevel(logging.WARNING)


def _without_place(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    """A warning as a person reads it: the place in the code is for who wrote it."""
    return f"warning: {message}\n"


def log_to(path: Path) -> None:
    """Write the messages of this package and of Lightning to a file as well."""
    file = _LogFile(path, encoding="utf-8")
    file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    for name in (LOG.name, *_LIBRARIES):
        logging.getLogger(name).addHandler(file)


class _LogFile(logging.FileHandler):
    """A log that leaves out what a full disk does not take; the run's other files report the disk."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        if not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)

    def close(self) -> None:
        with suppress(OSError):
            super().close()


def close_logging() -> None:
    """Let go of the terminal and of the file of an earlier run in this process."""
    for name in (LOG.name, *_LIBRARIES):
        logger = logging.getLogger(name)
        for handler in list(logger.handlers):
            if isinstance(handler, logging.FileHandler):
                handler.close()
                logger.removeHandler(handler)
            elif logger is LOG:
                logger.removeHandler(handler)
