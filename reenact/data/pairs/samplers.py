"""Orders in which the processes of a run take samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from torch.utils.data import Dataset, DistributedSampler

from reenact.data.pairs.sampling import TestPairs
from reenact.faces.portrait import PortraitPair


class EpochSampler(DistributedSampler[Any]):
    """Numbers the samples of a run: one endless sequence, of which ranks take turns and epochs are sections.

    An iterator starts where the run stands and ends with its section, so a resumed run goes on with the samples that
    would have come.

    Args:
        dataset: What is sampled.
        samples: Samples per epoch over all ranks, a multiple of `world`.
        rank: This process.
        world: Number of processes.
        done: Samples of this process that the run has trained on so far, asked whenever an iterator starts. Epochs
            can't serve: Lightning counts one too many when it resumes from the end of an epoch.
    """

    def __init__(
        self,
        dataset: Dataset[PortraitPair],
        samples: int,
        rank: int = 0,
        world: int = 1,
        position: Callable[[], int] = lambda: 0,
    ) -> None:
        self._samples = samples
        self._position = position
        # Lightning leaves a DistributedSampler alone; its own order is not used.
        super().__init__(dataset, num_replicas=world, rank=rank, shuffle=False)

    def __iter__(self) -> Iterator[int]:
        start = self._position() * self.num_replicas
        # Always an epoch's worth: Lightning counts the batches, and ends a resumed or limited epoch itself.
        return iter(range(start + self.rank, start + self._samples, self.num_replicas))

    def __len__(self) -> int:
        # Of a whole epoch, also where the first is shortened: Lightning counts the batches before it itself.
        return self._samples // self.num_replicas


class RankSampler(DistributedSampler[Any]):
    """The share of a rank in a test set: every sample once over all ranks, so that one may have one more than another.

    Torch's own sampler repeats samples until all ranks have equally many, and metrics would count them twice.

    Args:
        dataset: What is sampled.
        rank: This process.
        world: Number of processes.
    """

    def __init__(self, dataset: TestPairs, rank: int, world: int) -> None:
        # Lightning leaves a DistributedSampler alone; its own order is not used.
        super().__init__(dataset, num_replicas=world, rank=rank, shuffle=False)
        self._numbers = range(rank, len(dataset), world)

    def __iter__(self) -> Iterator[int]:
        return iter(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)
