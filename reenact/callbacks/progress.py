"""Progress on the terminal: a bar with losses and speed, or plain lines where nobody watches."""

from __future__ import annotations

import logging
import sys
import time

import pytorch_lightning as pl
from pytorch_lightning.callbacks import ProgressBar, RichProgressBar
from pytorch_lightning.callbacks.progress.rich_progress import RichProgressBarTheme
from pytorch_lightning.utilities.types import STEP_OUTPUT

LOG = logging.getLogger("reenact")


def progress_bar() -> ProgressBar:
    """A bar on a terminal, lines in a log file."""
    if sys.stderr.isatty() and sys.stdout.isatty():
        return RichProgressBar(leave=True, theme=RichProgressBarTheme(metrics_format=".3g"))
    return ProgressLines()


class ProgressLines(ProgressBar):
    """One line every `log_every_n_steps` batches: step, losses, batches per second, time left."""

    def __init__(self) -> None:
        super().__init__()
        self._enabled = True
        self._began = 0.0
        self._first_batch = 0

    def disable(self) -> None:
        """Be silent, as Lightning asks on all ranks but the first."""
        self._enabled = False

    def enable(self) -> None:
        """Speak again."""
        self._enabled = True

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock."""
        self._began = time.monotonic()
        self._first_batch = trainer.fit_loop.total_batch_idx

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: STEP_OUTPUT, batch: object, batch_idx: int
    ) -> None:
        """Write a line when one is due."""
        done = trainer.fit_loop.total_batch_idx + 1
        if not self._enabled or done % trainer.log_every_n_steps  # type: ignore[attr-defined]  # Lightning sets it in a connector:
            return
        speed = (done - self._first_batch) / max(time.monotonic() - self._began, 1e-9)
        total = self._total(trainer)
        metrics = self.get_metrics(trainer, pl_module)
        metrics.pop("v_num", None)
        losses = "  ".join(f"{name} {float(str(value)):.4g}" for name, value in metrics.items())
        left = f"  {_clock((total - done) / speed)} left" if total else ""
        LOG.info("step %d%s  %s  %.2f batches/s%s", done, f"/{total}" if total else "", losses, speed, left)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the figures of a validation."""
        if not self._enabled or trainer.sanity_checking or trainer.state.fn != "fit":
            return
        figures = {name: value for name, value in trainer.logged_metrics.items() if name.startswith("val")}
        if figures:
            LOG.info("validation  %s", "  ".join(f"{name} {float(value):.4g}" for name, value in figures.items()))

    @staticmethod
    def _total(trainer: pl.Trainer) -> int | None:
        """Batches of the whole run, None where it is endless."""
        batches = trainer.num_training_batches
        epochs = trainer.max_epochs
        by_epochs = int(batches * epochs) if epochs and epochs > 0 and batches != float("inf") else None
        steps = trainer.max_steps if trainer.max_steps > 0 else None
        known = [limit for limit in (by_epochs, steps) if limit is not None]
        return min(known) if known else None


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
