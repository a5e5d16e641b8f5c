"""The values of metrics as text, one column a loader."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from reenact.metrics.suite import Score


def score_text(scores: Mapping[str, Sequence[Score]], frames: Mapping[str, int], width: int = 80) -> str:
    """Return a table of values with the reasons of those that are not there, without markup or colour.

    Args:
        scores: Loader -> its metrics.
        frames: Loader -> frames that were scored.
        width: Characters of a line of the table.
    """
    table = Table(box=None, pad_edge=False)
    table.add_column("metric", no_wrap=True)
    for loader in scores:
        table.add_column(f"{loader} ({frames[loader]} frames)", justify="right")
    values = [{score.label: score for score in of} for of in scores.values()]
    notes: dict[str, int] = {}
    for label in dict.fromkeys(label for of in values for label in of):
        cells = [_format_cell(of.get(label), notes) for of in values]
        table.add_row(Text(label), *map(Text, cells))
    out = io.StringIO()
    Console(file=out, width=width, color_system=None, force_jupyter=False).print(table)
    lines = [line.rstrip() for line in out.getvalue().splitlines()]
    return "\n".join([*lines, *(f"[{number}] {note}" for note, number in notes.items())])


def _format_cell(score: Score | None, notes: dict[str, int]) -> str:
    if score is None:
        return "-"
    mark = f" [{notes.setdefault(f'{score.label}: {score.note}', len(notes) + 1)}]" if score.note else ""
    return f"{'n/a' if math.isnan(score.value) else format(score.value, '.5g')}{mark}"
