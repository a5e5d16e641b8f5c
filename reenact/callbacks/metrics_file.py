"""The logger that is always there: one CSV file that a resumed run goes on writing."""

from __future__ import annotations

import csv
import os
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities import rank_zero_only

from reenact.callbacks.whole_files import replace_file, write_error


class MetricsFile(Logger):
    """Writes `metrics.csv` in the run folder, one row for each step that logs something.

    Lightning's own CSV logger deletes the file of the run that is resumed; this one goes on after its last row.
    A row of a metric never seen before rewrites the file once, with the new column.

    Args:
        folder: The run folder.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self._file = folder / "metrics.csv"
        self._columns: list[str] = []

    @property
    def name(self) -> str:
        """Lightning's name of the logger."""
        return "csv"

    @property
    def version(self) -> str:
        """Lightning's version of the run: its folder's name."""
        return self._folder.name

    @property
    def save_dir(self) -> str:
        """The run folder; Lightning saves the settings there."""
        return str(self._folder)

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: object, **kwargs: object) -> None:
        """Nothing: `config.yaml` has them."""

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Append one row."""
        row = {"step": step, **metrics}
        if not self._columns and self._file.is_file():
            with self._file.open(newline="") as file:
                self._columns = next(csv.reader(file), [])
        if not set(row) <= set(self._columns):
            self._add_columns([name for name in row if name not in self._columns])
        size = self._file.stat().st_size
        try:
            with self._file.open("a", newline="") as file:
                csv.DictWriter(file, self._columns).writerow(row)
        except OSError as error:
            os.truncate(self._file, size)
            raise write_error(self._file, error) from error

    @rank_zero_only
    def drop_from(self, step: int) -> None:
        """Drop the rows of a step and of all after it, and rows that a kill has cut off."""
        if not self._file.is_file():
            return
        with self._file.open(newline="") as file:
            reader = csv.DictReader(file)
            self._columns = list(reader.fieldnames or [])
            rows = list(reader)
        before = [row for row in rows if None not in row.values() and row["step"].isdigit() and int(row["step"]) < step]
        if len(before) < len(rows):
            self._write(before)

    def _add_columns(self, new: list[str]) -> None:
        rows: list[dict[str, str]] = []
        if self._file.is_file():
            with self._file.open(newline="") as file:
                rows = list(csv.DictReader(file))
        self._columns += new
        self._write(rows)

    def _write(self, rows: list[dict[str, str]]) -> None:
        with replace_file(self._file) as partial, partial.open("w", newline="") as file:
            writer = csv.DictWriter(file, self._columns)
            writer.writeheader()
            writer.writerows(rows)


class MetricsTail(pl.Callback):
    """Drops the rows that a run wrote after the checkpoint it goes on from, because it writes them again."""

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Drop them; rows are numbered by the batches before them, as `Checkpoints` has it."""
        step = (trainer.fit_loop.total_batch_idx + 1) // trainer.accumulate_grad_batches
        for logger in trainer.loggers:
            if isinstance(logger, MetricsFile):
                logger.drop_from(step)
