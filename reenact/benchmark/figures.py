"""Figures of a table: their pictures, and beside each the numbers that it shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from PIL import Image

from reenact.benchmark.chart import Panel, draw_chart
from reenact.benchmark.columns import Measured
from reenact.benchmark.curves import Point, measure_curve, write_points
from reenact.benchmark.figure_spec import Curve
from reenact.benchmark.job import Result, Settings
from reenact.benchmark.sheets import write_sheet
from reenact.callbacks.whole_files import replace_file

LABELS = {
    "pose_difference": "rotation between the heads, degrees",
    "yaw_difference": "difference of yaw, degrees",
}

BETTER = {"up": "higher", "down": "lower"}


@dataclass(frozen=True, kw_only=True)
class DrawnFigure:
    """A figure as files."""

    caption: str
    picture: Path | None
    """None where it has nothing to show yet."""
    notes: tuple[str, ...]
    """Remarks on values and columns that are missing."""


def draw_figures(settings: Settings, results: Sequence[Result]) -> list[DrawnFigure]:
    """Draw the figures of a table from what its rows have so far, into `figures/` of its folder."""
    folder = settings.folder / "figures"
    row_folders = {row.id: settings.row_folder(row) for row in settings.table.rows}
    drawn = []
    for figure in settings.table.figures:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{figure.id}.png"
        if isinstance(figure, Curve):
            notes = _draw_curve(figure, settings.measured, results, row_folders, path)
        else:
            notes = write_sheet(figure, row_folders, path)
        picture = path if path.is_file() else None
        caption = f"{figure.id}: {figure.title}"
        drawn.append(DrawnFigure(caption=caption, picture=picture, notes=tuple(dict.fromkeys(notes))))
    return drawn


def _draw_curve(
    figure: Curve,
    measured: Sequence[Measured],
    results: Sequence[Result],
    row_folders: Mapping[str, Path],
    path: Path,
) -> list[str]:
    """Draw a curve and write its points; returns what is missing, for each row and column."""
    others = [row_folders[result.row.id] for result in results if result.scores]
    scored = {result.row.id: result for result in results if result.scores and result.row.id in figure.rows}
    lines = {row: measure_curve(figure, measured, row_folders[row], others) for row in scored}
    if not lines:
        path.unlink(missing_ok=True)
        return ["no row has scores yet"]
    write_points(lines, path.with_suffix(""))
    labels = _label_rows(scored.values())
    columns = {column.column.id: column for column in measured}
    panels = [
        Panel(
            title=f"{name}, {BETTER[columns[name].column.direction]} is better",
            lines={
                labels[row]: [point.value for point in points if point.column == name] for row, points in lines.items()
            },
        )
        for name in figure.columns
    ]
    bins = [f"{lower:g}-{upper:g}" for lower, upper in pairwise(figure.bins)]
    with replace_file(path) as partial:
        Image.fromarray(draw_chart(panels, bins, LABELS[figure.over])).save(partial, format="PNG")
    return _collect_notes({labels[row]: points for row, points in lines.items()})


def _label_rows(results: Collection[Result]) -> dict[str, str]:
    """Row -> its method, with the id of the row where several rows have one method."""
    methods = Counter(result.row.method for result in results)
    return {
        row.id: row.method if methods[row.method] == 1 else f"{row.method} ({row.id})"
        for row in (result.row for result in results)
    }


def _collect_notes(lines: Mapping[str, Sequence[Point]]) -> list[str]:
    """Remarks on points, each once, with the methods unless it holds for all of them."""
    methods: dict[str, list[str]] = {}
    for method, points in lines.items():
        for point in points:
            if point.note:
                text = f"{point.column}, {point.lower:g} to {point.upper:g} degrees: {point.note}"
                methods.setdefault(text, []).append(method)
    return [text if len(names) == len(lines) else f"{', '.join(names)}, {text}" for text, names in methods.items()]
