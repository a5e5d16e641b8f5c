"""Checkpoints of a run, and its end at Ctrl-C, SIGTERM or SIGHUP."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.io.torch_io import TorchCheckpointIO
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.utilities.types import STEP_OUTPUT
from torch.distributed import ReduceOp, all_reduce

from reenact.callbacks.checkpoint_files import CheckpointFiles
from reenact.callbacks.lone_failure import (
    BufferCopies,
    announce_failure,
    has_whole_state,
    rewind_batch,
    write_checkpoint_alone,
)
from reenact.callbacks.stop_signals import StopSignals
from reenact.callbacks.whole_files import link_file, remove_parts
from reenact.errors import ReenactError

LAST = "last.ckpt"


class Checkpoints(ModelCheckpoint):
    """Lightning's ModelCheckpoint, and `last.ckpt` of the last whole step of every run, however it ends.

    A run ends with its last step saved where it reaches its end, where Ctrl-C, SIGTERM or SIGHUP asks for it (the step
    in hand is finished first; asked again, the run ends at once and nothing is saved), and where it fails between two
    steps, as for a picture that is missing. Where a step itself fails nothing is saved: the fault may be in the
    weights. Nothing is ever saved between the batches of one step, because gradients are in no checkpoint, and no
    weights that are not finite.

    Several processes agree after each step, so that all of them stop at the same one. Where one of them fails, it saves
    the last whole step without the others, and the first process does so too where it learns of the failure. A step
    that fails before an optimiser has changed a weight leaves the step before it whole, which is saved then; after
    that nothing is.

    Args:
        every_n_minutes: Longest time from one checkpoint to the next, besides the interval of steps; 0 for no limit.
        kwargs: As of `ModelCheckpoint`.
    """

    def __init__(self, every_n_minutes: float = 10.0, **kwargs: Any) -> None:  # noqa: ANN401 - as of the base class
        super().__init__(**kwargs)
        self.every_n_minutes = every_n_minutes
        self.has_started = False
        """Training has started, so that `last.ckpt` is of this run."""
        self.is_bystander = False
        """Another process has failed, and this one because of it."""
        self._buffers: BufferCopies | None = None
        self._signals = StopSignals()
        self._stopping = False
        self._is_alone = False
        self._is_unchanged = False
        self._is_whole = True
        self._step = 0
        self._saved_at = 0.0

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Write whole files, unless the user has chosen a way to write."""
        super().setup(trainer, pl_module, stage)
        if type(trainer.strategy.checkpoint_io) is TorchCheckpointIO:
            trainer.strategy.checkpoint_io = CheckpointFiles()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Remove what a killed process left, and listen for signals."""
        super().on_train_start(trainer, pl_module)
        if trainer.is_global_zero:
            remove_parts(self._folder)
        self._buffers = BufferCopies(pl_module) if trainer.world_size > 1 else None
        self.has_started, self._stopping, self._is_whole = True, False, True
        self._last_global_step_saved = trainer.global_step
        self._saved_at = time.monotonic()
        self._signals.listen()

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: object, batch_idx: int
    ) -> None:
        """Stop when asked to, now that the step before is logged.

        Also numbers what is logged by the batches done; after a restart Lightning is off by one for some checkpoints.
        """
        if self._stopping:
            raise KeyboardInterrupt
        self._is_unchanged, self._is_whole = self._is_whole, False
        if self._is_unchanged and self._buffers is not None:
            self._buffers.update()
        self._step = trainer.global_step
        completed_steps = trainer.fit_loop.total_batch_idx // trainer.accumulate_grad_batches
        trainer.fit_loop.epoch_loop._batches_that_stepped = completed_steps

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        """Note that weights are about to change."""
        self._is_unchanged = False

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: STEP_OUTPUT, batch: object, batch_idx: int
    ) -> None:
        """Save when one is due, at the last step, or when the run is asked to stop."""
        self._is_unchanged = False
        if trainer.global_step == self._step:
            return
        self._is_whole = True
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)
        self._stopping, late = self._agree(trainer)
        if self._stopping or late or trainer.global_step == trainer.max_steps:
            self._save_last_step(trainer)

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: STEP_OUTPUT,
        batch: object,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Save and stop when asked to; several processes, whose numbers of batches differ, wait for the last one."""
        if trainer.world_size == 1:
            self._stop_if_asked(trainer)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save when one is due, and stop when asked to."""
        super().on_validation_end(trainer, pl_module)
        if self.has_started:
            self._stop_if_asked(trainer)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save the last step, and stop to listen."""
        super().on_train_end(trainer, pl_module)
        self._save_last_step(trainer)
        self._signals.restore()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Save the last whole step where the run failed after it, and stop to listen."""
        try:
            if isinstance(exception, Exception):
                with suppress(ReenactError):  # the first error is the one to report
                    self._save_after_failure(trainer)
        finally:
            self._signals.restore()

    @property
    def _folder(self) -> Path:
        return Path(str(self.dirpath))

    def _agree(self, trainer: pl.Trainer) -> tuple[bool, bool]:
        """Two decisions that are the same in all processes: to stop, and to save because of the time since the last."""
        waited = time.monotonic() - self._saved_at
        late = 0 < 60 * self.every_n_minutes <= waited
        if trainer.world_size == 1:
            return self._signals.asked, late
        flags = torch.tensor([self._signals.asked, late], dtype=torch.int32, device=trainer.strategy.root_device)
        all_reduce(flags, ReduceOp.MAX)
        requested, late = (bool(flag) for flag in flags.tolist())
        return requested, late

    def _stop_if_asked(self, trainer: pl.Trainer) -> None:
        if self._is_whole and self._agree(trainer)[0]:
            self._save_last_step(trainer)
            self._stopping = True
        if self._stopping:
            raise KeyboardInterrupt

    def _save_after_failure(self, trainer: pl.Trainer) -> None:
        """Save the last whole step; one of several processes saves it alone, and gives up what it has of the next."""
        self._is_alone = trainer.world_size > 1
        self.is_bystander = self._is_alone and not announce_failure()
        if self._is_alone and ((self.is_bystander and not trainer.is_global_zero) or not has_whole_state(trainer)):
            return
        if self._is_alone and self._is_unchanged and self._buffers is not None:
            self._buffers.restore()
            self._is_whole = True
        if self.has_started and self._is_whole:
            rewind_batch(trainer)
            self._save_last_step(trainer)

    def _save_last_step(self, trainer: pl.Trainer) -> None:
        """Write `last.ckpt`, unless it is of this step already or the step is not whole."""
        if self._is_whole and not self._should_skip_saving_checkpoint(trainer):
            path = str(self._folder / LAST)
            self.last_model_path, previous = path, self.last_model_path
            try:
                self._save_checkpoint(trainer, path)
            except ReenactError:
                self.last_model_path = previous
                raise

    def _save_last_checkpoint(self, trainer: pl.Trainer, monitor_candidates: dict[str, torch.Tensor]) -> None:
        """Write `last.ckpt` as well; as `link`, it is a second name of the checkpoint of this step if there is one.

        Lightning links to the newest checkpoint that it kept, which may be of an earlier step, and by a symbolic link,
        which leads nowhere once that checkpoint is removed.
        """
        if self.save_last != "link":
            super()._save_last_checkpoint(trainer, monitor_candidates)
            return
        path, written = self._folder / LAST, Path(self._last_checkpoint_saved)
        self.last_model_path = str(path)
        if self._last_global_step_saved != trainer.global_step or not written.is_file() or written.name == LAST:
            self._save_checkpoint(trainer, str(path))
            return
        if trainer.is_global_zero:
            link_file(written, path)
        trainer.strategy.barrier()

    def _save_checkpoint(self, trainer: pl.Trainer, filepath: str) -> None:
        """Save, unless an earlier attempt at this step has failed."""
        self._is_whole = False
        if self.save_last == "link":
            self.last_model_path = str(self._folder / LAST)  # in the state, as in that of a file of its own
        if self._is_alone:
            write_checkpoint_alone(trainer, filepath, self.save_weights_only)
        else:
            super()._save_checkpoint(trainer, filepath)
        self._is_whole = True
        self._saved_at = time.monotonic()
