"""Random numbers and means over the batch of all processes, of which each process trains on a share.

Convention: of N processes, process r trains on the rows r, r + N, r + 2 N and so on of the whole batch, as
`data.pairs.samplers.EpochSampler` deals them. So N processes train as one process does on the whole batch.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor


@dataclass(frozen=True)
class BatchDraws:
    """Random numbers for the rows of a batch: drawn for the whole batch, of which a process takes its rows."""

    generator: torch.Generator
    """Source of the numbers, on the CPU and in the same state in every process."""
    rank: int = 0
    """Rank of this process."""
    processes: int = 1
    """Number of processes."""

    def normal(self, rows: int, *shape: int) -> Tensor:
        """Standard normal numbers (B, ...) for the B rows of this process."""
        return torch.randn(rows * self.processes, *shape, generator=self.generator)[self.rank :: self.processes]

    def uniform(self, rows: int, *shape: int) -> Tensor:
        """Uniform numbers (B, ...) in [0, 1) for the B rows of this process."""
        return torch.rand(rows * self.processes, *shape, generator=self.generator)[self.rank :: self.processes]

    def uniform_columns(self, count: int, rows: int) -> Tensor:
        """Uniform numbers (C, B) in [0, 1) for the B rows of this process, a column for each row of the batch."""
        numbers = torch.rand(count, rows * self.processes, generator=self.generator)
        return numbers[:, self.rank :: self.processes]


def mean_over_processes(value: Tensor) -> Tensor:
    """Mean over all processes of a tensor that each process computes from its own share of the batch.

    The gradient is that of the process's own value, undivided: `DistributedDataParallel` divides the sum of the
    processes' gradients by their number. Losses that are means over rows need no such mean; a ratio of means does.
    """
    if not dist.is_available() or not dist.is_initialized() or dist.get_world_size() == 1:
        return value
    mean = value.detach().clone()
    dist.all_reduce(mean)
    return value + (mean / dist.get_world_size() - value.detach())
