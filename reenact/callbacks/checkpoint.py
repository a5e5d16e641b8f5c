"""Checkpoints of a run, and its end at Ctrl-C or SIGTERM."""

from __future__ import annotations

import logging
import signal
import threading
from pathlib import Path
from types import FrameType

import pytorch_lightning as pl
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.utilities.types import STEP_OUTPUT

LOG = logging.getLogger("reenact")
LAST = "last.ckpt"


class Checkpoints(ModelCheckpoint):
    """Lightning's ModelCheckpoint, and `last.ckpt` when a person presses Ctrl-C or a job's time is up (SIGTERM).

    The step in hand is finished first, so that the run can go on exactly; asked again, it ends at once and nothing is
    saved. At any other error nothing is saved: what went wrong may be in the weights. Nothing is ever saved between
    the batches of one step, because gradients are in no checkpoint.
    """

    _asked = False
    _saved = False
    _step = 0
    _previous: dict[int, signal._HANDLER] | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Listen for signals; with several processes each would stop at another step, so there they end it at once."""
        super().on_train_start(trainer, pl_module)
        self._asked = self._saved = False
        if trainer.world_size == 1 and threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._ask) for number in (signal.SIGINT, signal.SIGTERM)}

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: object, batch_idx: int
    ) -> None:
        """Stop when asked to, now that the step before is logged.

        Also numbers what is logged by the batches done; after a restart Lightning is off by one for some checkpoints.
        """
        if self._saved:
            raise KeyboardInterrupt
        self._step = trainer.global_step
        done = trainer.fit_loop.total_batch_idx // trainer.accumulate_grad_batches
        trainer.fit_loop.epoch_loop._batches_that_stepped = done

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: STEP_OUTPUT, batch: object, batch_idx: int
    ) -> None:
        """Save when one is due or the run is asked to stop."""
        if trainer.global_step > self._step:
            super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)
            self._save_if_asked(trainer)

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: STEP_OUTPUT,
        batch: object,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Save and stop when asked to."""
        if trainer.global_step > self._step:
            self._save_if_asked(trainer)
        if self._saved:
            raise KeyboardInterrupt

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save, and stop to listen."""
        super().on_train_end(trainer, pl_module)
        self._deafen()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Stop to listen."""
        self._deafen()

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True
        LOG.info("finishing this step and saving it; Ctrl-C again stops at once")

    def _save_if_asked(self, trainer: pl.Trainer) -> None:
        if self._asked:
            trainer.save_checkpoint(Path(str(self.dirpath)) / LAST)
            self._saved = True

    def _deafen(self) -> None:
        while self._previous:
            signal.signal(*self._previous.popitem())
