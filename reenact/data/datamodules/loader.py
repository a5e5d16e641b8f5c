"""Loaders whose processes leave the signals that stop a run to the run."""

from __future__ import annotations

import gc
import os
import signal
from types import FrameType

import cv2
from torch.utils.data import DataLoader
from torch.utils.data.dataloader import _BaseDataLoaderIter

from reenact.faces.portrait import PortraitPair

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that stop a run."""


class Loader(DataLoader[PortraitPair]):
    """A loader whose workers leave the signals that stop a run to the run, and whose deaths are found between steps.

    Torch raises the death of a worker wherever the run stands, also in the middle of a step, from which training
    cannot go on. The next batch that is asked for finds it as well.
    """

    def __iter__(self) -> _BaseDataLoaderIter:
        # Workers inherit what is held back here until `start_worker` has run.
        previous_mask = signal.pthread_sigmask(signal.SIG_BLOCK, set(SIGNALS))
        previous = signal.getsignal(signal.SIGCHLD)
        try:
            iterator = super().__iter__()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, previous_mask)
        if signal.getsignal(signal.SIGCHLD) is not previous:
            signal.signal(signal.SIGCHLD, previous)
        return iterator


def start_worker(worker: int) -> None:
    """Start of a loading process: its core is its own, and OpenCV's threads would fight over it.

    Ctrl-C of a terminal, SIGTERM of a scheduler and SIGHUP reach every process of a job. The run alone answers: it
    finishes the step with the batches in hand, and then ends the workers. One SIGTERM may be the scheduler's; a second
    one ends the worker.
    """
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _obey_the_next)
    signal.siginterrupt(signal.SIGTERM, False)  # a read that is interrupted looks like a broken file
    signal.pthread_sigmask(signal.SIG_UNBLOCK, set(SIGNALS))
    cv2.setNumThreads(0)
    gc.freeze()  # else its first full collection writes to every page that it shares with the main process: a copy


def _obey_the_next(number: int, frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)


def usable_cores() -> int:
    """Cores that this process may use, 8 at most."""
    return min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
