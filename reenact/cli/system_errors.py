"""One sentence for what the system refuses during a run: a full disk or memory, too many files, a killed process."""

from __future__ import annotations

import errno
import traceback
from collections.abc import Sequence
from pathlib import Path

from reenact.devices import describe_full_memory, is_memory_full
from reenact.errors import ReenactError

_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
_DESCRIPTORS = (errno.EMFILE, errno.ENFILE)
MEMORY_OPTIONS = (
    "--trainer.precision bf16-mixed",
    "a smaller --data.batch_size with a larger --trainer.accumulate_grad_batches",
)
"""Options of every training that take less memory, the ones that change the least first."""


def from_system(error: BaseException, memory_options: Sequence[str] = ()) -> ReenactError | None:
    """Translate an error of the system.

    Args:
        error: What a run ended with. An error of a loading process has its traceback as the message.
        memory_options: The method's own options that take less memory, before those of every training.

    Returns:
        The sentence; None where the error is another, perhaps a fault of the program.
    """
    if not isinstance(error, OSError | RuntimeError | EOFError):
        return None
    if is_memory_full(error):
        return describe_full_memory((*memory_options, *MEMORY_OPTIONS))
    code = error.errno if isinstance(error, OSError) else None
    message = str(error)
    if code in _DESCRIPTORS or "Too many open files" in message or "items of ancdata" in message:
        return ReenactError(
            "Too many files are open: allow more with `ulimit -n 8192` before the command, or load with fewer"
            " --data.num_workers"
        )
    if code in _DISK or "No space left on device" in message:
        place = f"{error.filename} " if isinstance(error, OSError) and error.filename else "A file of the run "
        return ReenactError(f"{place}cannot be written ({_error_reason(error)}); make room on the disk")
    if isinstance(error, RuntimeError) and ("gloo" in message or "NCCL" in message) and "onnection" in message:
        return ReenactError(
            "Another process of the run has ended: its own message says why, or the system has killed it where memory"
            " is full"
        )
    killed = "DataLoader worker" in message and ("exited unexpectedly" in message or "killed by signal" in message)
    if killed or _lost_a_process(error):
        return ReenactError(
            "A loading process was killed, which the system does where memory or /dev/shm is full; load with fewer"
            " --data.num_workers"
        )
    return None


def _lost_a_process(error: BaseException) -> bool:
    """Tell if an error came up between processes: a batch was fetched from one that is no more."""
    frames = list(traceback.walk_tb(error.__traceback__))
    return bool(frames) and Path(frames[-1][0].f_code.co_filename).parent.name == "multiprocessing"


def _error_reason(error: BaseException) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or "No space left on device"
