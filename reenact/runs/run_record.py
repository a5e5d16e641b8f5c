"""The note by which `last` finds a run folder outside of `runs/`."""

from __future__ import annotations

from pathlib import Path

import pytorch_lightning as pl

from reenact.runs.run_folder import record_run


class RunRecord(pl.Callback):
    """Notes the run folder once training starts, so that a run that was refused leaves no note.

    Args:
        out: Run folder.
        title: Preset whose runs it belongs to.
    """

    def __init__(self, out: Path, title: str) -> None:
        self.out = out
        self.title = title

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Note the folder, in the first process."""
        if trainer.is_global_zero:
            record_run(self.out, self.title)
