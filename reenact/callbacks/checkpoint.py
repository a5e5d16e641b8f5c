"""Checkpoints of a run."""

from __future__ import annotations

from pathlib import Path

import pytorch_lightning as pl
from pytorch_lightning.callbacks import ModelCheckpoint

LAST = "last.ckpt"


class Checkpoints(ModelCheckpoint):
    """Lightning's ModelCheckpoint, which also saves `last.ckpt` when a person interrupts the run.

    Not at any other error: what went wrong may be in the weights.
    """

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Save at Ctrl-C, once something was learned."""
        if isinstance(exception, KeyboardInterrupt) and trainer.training and trainer.global_step:
            trainer.save_checkpoint(Path(str(self.dirpath)) / LAST)
