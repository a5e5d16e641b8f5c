"""A table as one `wandb.Table`, with its page and pictures, in a run of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reenact.benchmark.report import Report
from reenact.errors import ReenactError
from reenact.install import install_hint
from reenact.runs import quiet, wandb_key

PROJECT = "reenact"
"""Project of the runs, the same as in `configs/logger/wandb.yaml`."""


def log_table(report: Report, out: Path) -> None:
    """Log a report to Weights & Biases; offline where no key is found.

    Args:
        report: The report.
        out: Folder under which offline runs are kept, in `wandb/`.

    Raises:
        ReenactError: if the package is not installed.
    """
    try:
        import wandb
    except ImportError as error:
        raise ReenactError(f"--logger wandb: wandb is not installed; {install_hint('wandb')}") from error
    offline = not wandb_key.has_key()
    if offline:
        quiet.LOG.info("wandb: no key found, so the table is kept offline; send it later with `wandb sync`")
    run = wandb.init(
        project=PROJECT,
        name=report.table.id,
        job_type="benchmark",
        dir=str(out),
        mode="offline" if offline else None,
        config={"table": report.table.id, "paper": report.table.paper, "footnotes": list(report.footnotes)},
    )
    columns, rows = table_content(report)
    pictures: dict[str, Any] = {}
    for line in report.lines:
        for loader, path in line.pictures.items():
            pictures[f"pictures/{line.result.row.id}/{loader}"] = wandb.Image(str(path))
    run.log({f"table/{report.table.id}": wandb.Table(columns=columns, data=rows), **pictures})
    run.finish()


def table_content(report: Report) -> tuple[list[str | int], list[list[Any]]]:
    """Column names and rows: for each column our number, the paper's and the difference."""
    columns: list[str | int] = ["row", "method", "model"]
    for measured in report.measured:
        columns += [measured.column.id, f"{measured.column.id} (paper)", f"{measured.column.id} (difference)"]
    rows = [
        [
            line.result.row.id,
            line.result.row.method,
            line.result.row.model or "",
            *(number for cell in line.cells for number in (cell.measured, cell.paper, cell.difference)),
        ]
        for line in report.lines
    ]
    return columns, rows
