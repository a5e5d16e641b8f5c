"""The failure of one of several processes: the others learn of it, and its last step is saved without them.

A collective would wait for a process that fails, so nothing here needs one. In plain DDP all processes hold the same
weights and optimiser states after each step, and none of them gets past the gradients of the next step alone.
"""

from __future__ import annotations

import pytorch_lightning as pl
import torch.distributed as dist
from pytorch_lightning.loops.progress import _ProcessedTracker
from pytorch_lightning.strategies import DDPStrategy
from torch import Tensor, nn
from torch.distributed.distributed_c10d import _get_default_store

FAILURES = "reenact/failures"
"""Key of the rendezvous store that counts the processes that failed."""


def announce_failure() -> bool:
    """Count this process among those that failed.

    Returns:
        True where it is the first one. The others fail because a process that they wait for is gone, as is the store
        where the process that holds it was the first.
    """
    if not dist.is_initialized():
        return True
    try:
        return int(_get_default_store().add(FAILURES, 1)) == 1
    except RuntimeError:  # of the connection
        return False


def has_whole_state(trainer: pl.Trainer) -> bool:
    """Tell if this process alone holds the state of the whole run: plain DDP, no optimiser with a share of it."""
    shared = any(hasattr(optimizer, "consolidate_state_dict") for optimizer in trainer.optimizers)
    return isinstance(trainer.strategy, DDPStrategy) and not shared


def write_checkpoint_alone(trainer: pl.Trainer, path: str, weights_only: bool) -> None:
    """Write a checkpoint as `Trainer.save_checkpoint` does, in any process and without its barrier."""
    checkpoint = trainer._checkpoint_connector.dump_checkpoint(weights_only)
    trainer.strategy.checkpoint_io.save_checkpoint(checkpoint, path)


def rewind_batch(trainer: pl.Trainer) -> None:
    """Let the loop's counts forget a batch that has begun and is not processed."""
    progress = trainer.fit_loop.epoch_loop.batch_progress
    for counts in (progress.total, progress.current):
        assert isinstance(counts, _ProcessedTracker)
        if counts.ready > counts.processed:
            progress.is_last_batch = False
        counts.ready = counts.started = counts.processed


class BufferCopies:
    """Copies of a module's saved buffers, which a forward pass changes: the statistics of batch norm.

    Args:
        module: The module, whose buffers change in place.
    """

    def __init__(self, module: nn.Module) -> None:
        parameters = {name for name, _ in module.named_parameters(remove_duplicate=False)}
        saved = {name: value for name, value in module.state_dict(keep_vars=True).items() if name not in parameters}
        self._buffers = [value for value in saved.values() if isinstance(value, Tensor)]
        self._copies = [buffer.clone() for buffer in self._buffers]

    def update(self) -> None:
        """Copy the buffers."""
        for copy, buffer in zip(self._copies, self._buffers, strict=True):
            copy.copy_(buffer)

    def restore(self) -> None:
        """Give the buffers their values of the last `update`."""
        for copy, buffer in zip(self._copies, self._buffers, strict=True):
            buffer.copy_(copy)
