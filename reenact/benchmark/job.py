"""Settings of one call of the benchmark, and the results of its rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from reenact.benchmark.columns import Measured
from reenact.benchmark.spec import Row, Table
from reenact.benchmark.work import Outcome, run_command
from reenact.callbacks.score_files import Scores
from reenact.metrics.metric_names import COST
from reenact.runs import presets


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings of all rows of one call."""

    table: Table
    out: Path
    """Folder of all tables; models lie in `models/`, shared between tables."""
    root: Path
    """Folder of the stores."""
    scale: str
    measured: tuple[Measured, ...]
    train: bool
    """Train rows that have no checkpoint."""
    logger: str
    """A preset of `configs/logger`, or empty."""
    lock: IO[bytes]
    checkpoints: Mapping[str, Path]
    """Row -> trained weights that stand in for the row's own."""

    @property
    def folder(self) -> Path:
        """Folder of the table's files."""
        return self.out / self.table.id

    @property
    def pairs(self) -> Path | None:
        """The table's list of pairs; None where the data module draws them."""
        return self.folder / "pairs.csv" if self.table.pairs else None

    @property
    def size(self) -> int:
        """Side of all frames in pixels: that of the scale, since methods' own sizes would not compare."""
        table_size = self.table.overrides.get("data.size")
        return int(
            table_size or presets.load_preset(presets.find_preset("scale", self.scale))["data"]["init_args"]["size"]
        )

    def row_folder(self, row: Row) -> Path:
        """Return the folder of a row's scores."""
        return self.folder / "rows" / row.id

    def logging(self, run: str) -> list[str]:
        """Options of the logger, and at Weights & Biases the name of the run."""
        named = ["--trainer.logger.init_args.name", f"{self.table.id} {run}"] if self.logger == "wandb" else []
        return ["--logger", self.logger, *named] if self.logger else []

    def run(self, arguments: Sequence[str], log: Path) -> Outcome:
        """Run `reenact WORDS`."""
        return run_command(arguments, log, self.lock)


@dataclass(frozen=True, kw_only=True)
class Result:
    """Result of a row: its scores, or the reason why there are none."""

    row: Row
    scores: Scores
    problem: str = ""
    """Reason why there are no scores; empty where there are."""
    remedy: str = ""
    """The command that fills the row."""
    weights: str = ""
    """Description of the weights that generated the frames."""
    failed: bool = False
    """True where the row failed; False where it was left out."""


def in_zoo(row: Row) -> bool:
    """Tell if a row is a preset that this installation has."""
    return row.model is not None and row.model in presets.preset_names("model")


def metric_names(settings: Settings) -> list[str]:
    """Return the metrics of frames that can be measured, each once."""
    measured = (m for m in settings.measured if not m.problem and m.column.loader != COST)
    return list(dict.fromkeys(m.metric for m in measured))


def has_costs(settings: Settings) -> bool:
    """Tell if a column is a cost of a frame."""
    return any(m.column.loader == COST for m in settings.measured)
