"""Runs compiled kernels, which release the interpreter lock, on several CPU threads; memory for their results."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

Array = np.ndarray[Any, Any]
Result = TypeVar("Result")


@lru_cache(maxsize=1)
def _get_pool(process: int, threads: int) -> ThreadPoolExecutor:
    """The threads of this process; a forked child has another number and so gets its own."""
    return ThreadPoolExecutor(threads, thread_name_prefix=f"reenact-{process}")


def run_jobs(kernel: Callable[..., Result], jobs: Sequence[tuple[Any, ...]]) -> list[Result]:
    """Call a kernel on each job's arguments, on as many threads as torch uses: one in a loader's worker.

    Numba's own threading layers abort after a fork or when called from two threads; these threads don't.
    """
    threads = torch.get_num_threads()
    if threads == 1 or len(jobs) == 1:
        return [kernel(*job) for job in jobs]
    pending = [_get_pool(os.getpid(), threads).submit(kernel, *job) for job in jobs]
    return [future.result() for future in pending]


def split_bands(batch: int, height: int) -> list[tuple[int, int, int]]:
    """Split a batch into (frame, first row, end row) jobs, at least one a thread."""
    count = min(height, max(1, -(-torch.get_num_threads() // max(1, batch))))
    edges = [height * band // count for band in range(count + 1)]
    return [(frame, edges[band], edges[band + 1]) for frame in range(batch) for band in range(count)]


def allocate_zeros(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """A CPU tensor of zeros in NumPy's memory, which comes zeroed in huge pages where it is large; torch's doesn't.

    First touching 4 KiB pages took longer than filling them: 14 ms against 5 ms for 38 MB.
    """
    return torch.from_numpy(np.zeros(shape, dtype=torch.empty(0, dtype=dtype).numpy().dtype))
