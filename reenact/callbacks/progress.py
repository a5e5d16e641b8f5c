"""Progress on the terminal: a bar with losses and speed, or plain lines where nobody watches."""

from __future__ import annotations

import logging
import math
import sys
import time

import pytorch_lightning as pl
from pytorch_lightning.callbacks import ProgressBar, RichProgressBar
from pytorch_lightning.callbacks.progress.rich_progress import RichProgressBarTheme
from pytorch_lightning.utilities.types import STEP_OUTPUT

LOG = logging.getLogger("reenact")


def progress_bar() -> ProgressBar:
    """A bar on a terminal, lines in a log file."""
    if sys.stdout.isatty():
        return StepBar(leave=True, theme=RichProgressBarTheme(metrics_format=".3g"))
    return ProgressLines()


class StepBar(RichProgressBar):
    """Lightning's bar of an epoch, with the steps of the whole run beside the losses."""

    def get_metrics(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        """Step of the run, then the losses; not the version of the logger."""
        metrics = {name: value for name, value in super().get_metrics(trainer, pl_module).items() if name != "v_num"}
        of = f"/{trainer.max_steps}" if trainer.max_steps > 0 else ""
        return {"step": f"{trainer.global_step}{of}", **metrics}

    def _get_train_description(self, current_epoch: int) -> str:
        # Lightning's own says "Epoch 2/-2" for runs that are bounded by their steps.
        return f"epoch {current_epoch}"


class ProgressLines(ProgressBar):
    """One line every `log_every_n_steps` steps, at the first and at the last: losses, steps per second, time left."""

    def __init__(self) -> None:
        super().__init__()
        self._enabled = True
        self._began = 0.0
        self._first = 0
        self._written = 0
        self._total = math.inf

    def disable(self) -> None:
        """Be silent, as Lightning asks on all ranks but the first."""
        self._enabled = False

    def enable(self) -> None:
        """Speak again."""
        self._enabled = True

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock."""
        self._began = time.monotonic()
        self._first = self._written = trainer.global_step
        self._total = trainer.estimated_stepping_batches

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: STEP_OUTPUT, batch: object, batch_idx: int
    ) -> None:
        """Write a line when one is due."""
        step = trainer.global_step
        every = trainer.log_every_n_steps  # type: ignore[attr-defined]  # set by one of Lightning's connectors
        due = step % every == 0 or step in (self._first + 1, self._total)
        if not self._enabled or not due or step == self._written:
            return
        self._written = step
        speed = (step - self._first) / max(time.monotonic() - self._began, 1e-9)
        metrics = {name: value for name, value in self.get_metrics(trainer, pl_module).items() if name != "v_num"}
        figures = "  ".join(f"{name} {float(str(value)):.4g}" for name, value in metrics.items())
        of, remaining = "", ""
        if math.isfinite(self._total):
            of, remaining = f"/{int(self._total)}", f"  {_format_duration((self._total - step) / speed)} left"
        LOG.info("step %d%s  %s  %.2f steps/s%s", step, of, figures, speed, remaining)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the figures of a validation."""
        if not self._enabled or trainer.sanity_checking or trainer.state.fn != "fit":
            return
        figures = {name: value for name, value in trainer.logged_metrics.items() if name.startswith("val")}
        if figures:
            LOG.info("validation  %s", "  ".join(f"{name} {float(value):.4g}" for name, value in figures.items()))


def _format_duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
