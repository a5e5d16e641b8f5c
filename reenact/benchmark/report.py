"""The numbers of a table beside the paper's, with footnotes; what all its forms are written from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from reenact.benchmark.columns import Measured
from reenact.benchmark.job import Result
from reenact.benchmark.spec import Column, Table
from reenact.metrics.metric_names import COST

ARROWS = {"up": "↑", "down": "↓"}


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One number, the paper's, and their difference."""

    column: Column
    measured: float | None = None
    paper: float | None = None
    difference: float | None = None
    """Ours less the paper's; none where another network or other data make them incomparable."""
    note: int | None = None
    """Footnote that says why there is no number, or what was left out of it."""
    best: bool = False
    """True where no other row of ours is better."""

    def text(self, value: float | None, sign: bool = False) -> str:
        """A number with the column's decimals."""
        return "-" if value is None else f"{value:{'+' if sign else ''}.{self.column.decimals}f}"

    def ours_text(self) -> str:
        """Return our number, `n/a` where a footnote says why there is none, `-` where the row has none at all."""
        return "n/a" if self.measured is None and self.note is not None else self.text(self.measured)

    def plain(self) -> str:
        """`ours (paper, difference)`, as far as they are there."""
        inside = [self.text(self.paper)] if self.paper is not None else []
        inside += [self.text(self.difference, sign=True)] if self.difference is not None else []
        return f"{self.ours_text()} ({', '.join(inside)})" if inside else self.ours_text()


@dataclass(frozen=True)
class Line:
    """One row."""

    result: Result
    cells: tuple[Cell, ...]
    notes: tuple[int, ...]
    """Footnotes of the row as a whole."""
    pictures: dict[str, Path]
    """Loader -> grid of its first pairs."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """A table with its footnotes."""

    table: Table
    measured: tuple[Measured, ...]
    lines: tuple[Line, ...]
    footnotes: tuple[str, ...]
    reasons: tuple[str, ...]
    """The footnotes without commands and digests, for print."""
    remarks: tuple[str, ...]
    """Remarks on the whole table: data, protocol, networks, the paper's open points."""

    @property
    def heads(self) -> list[str]:
        """The columns' names with the direction that is better."""
        return [f"{measured.column.id} {ARROWS[measured.column.direction]}" for measured in self.measured]

    @property
    def labels(self) -> list[str]:
        """The columns' names within their group: `PSNR` of `self.psnr`, `E-RMSE` of `self.e_rmse`."""
        return [m.column.id.partition(".")[2].upper().replace("_", "-") or m.column.id for m in self.measured]

    @staticmethod
    def name_group(loader: str) -> str:
        """Return the title of a loader's columns."""
        return "cost of a frame" if loader == COST else f"{loader}-reenactment"

    def groups(self) -> list[tuple[str, list[int]]]:
        """Return loaders with the places of their columns, in the table's order."""
        places: list[tuple[str, list[int]]] = []
        for place, measured in enumerate(self.measured):
            if not places or places[-1][0] != measured.column.loader:
                places.append((measured.column.loader, []))
            places[-1][1].append(place)
        return places


@dataclass
class _Footnotes:
    texts: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)

    def number(self, reason: str, rest: str = "") -> int:
        """The number of a footnote; the same text has one. `rest` is left out in print."""
        text = f"{reason}; {rest}" if rest else reason
        if text not in self.texts:
            self.texts.append(text)
            self.reasons.append(reason)
        return self.texts.index(text) + 1


def build_report(
    table: Table,
    measured: Sequence[Measured],
    results: Sequence[Result],
    folder: Path,
    remarks: Sequence[str],
    own_data: bool,
) -> Report:
    """Put results beside the paper's numbers.

    Args:
        table: The table.
        measured: Its columns as they are measured.
        results: Its rows.
        folder: Where the rows' pictures lie.
        remarks: What holds for the whole table.
        own_data: Whether it runs on its own data, so that numbers of the same metric can be subtracted.
    """
    notes = _Footnotes()
    best = {m.column.id: _best_value(m, results) for m in measured}
    lines = []
    for result in results:
        cells = tuple(_build_cell(m, result, notes, own_data, best[m.column.id]) for m in measured)
        marks = [notes.number(result.problem, result.remedy)] if result.problem else []
        if result.weights:
            weights, _, digest = result.weights.partition("; sha256 ")
            marks.append(notes.number(weights, f"sha256 {digest}" if digest else ""))
        pictures = {
            loader: path
            for loader in ("self", "cross")
            if (path := folder / "rows" / result.row.id / "pictures" / f"{loader}.png").is_file()
        }
        lines.append(Line(result, cells, tuple(marks), pictures))
    return Report(
        table=table,
        measured=tuple(measured),
        lines=tuple(lines),
        footnotes=tuple(notes.texts),
        reasons=tuple(notes.reasons),
        remarks=tuple(remarks),
    )


def _build_cell(measured: Measured, result: Result, notes: _Footnotes, own_data: bool, best: float | None) -> Cell:
    column = measured.column
    paper = result.row.values.get(column.id)
    if result.problem and not result.scores:
        return Cell(column=column, paper=paper)
    score = result.scores.get(column.loader, {}).get(measured.metric)
    if score is None or math.isnan(score.value):
        reason = measured.problem or (score.note if score else "") or "the row's scores do not have it"
        return Cell(column=column, paper=paper, note=notes.number(reason))
    same = own_data and measured.metric == column.metric
    difference = score.value - paper if same and paper is not None else None
    note = notes.number(score.note) if score.note else None
    # As printed: equal numbers are both the best.
    leads = best is not None and column_text(column, score.value) == column_text(column, best)
    return Cell(column=column, measured=score.value, paper=paper, difference=difference, note=note, best=leads)


def column_text(column: Column, value: float) -> str:
    """Return a number with a column's decimals."""
    return f"{value:.{column.decimals}f}"


def _best_value(measured: Measured, results: Sequence[Result]) -> float | None:
    """The best of our numbers in a column, None where there are not two."""
    values = [
        score.value
        for result in results
        if (score := result.scores.get(measured.column.loader, {}).get(measured.metric)) and not math.isnan(score.value)
    ]
    if len(values) < 2:
        return None
    return max(values) if measured.column.direction == "up" else min(values)
