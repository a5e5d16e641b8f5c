"""Figures of a table as its file states them: curves of columns, and sheets of chosen pairs. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from reenact.benchmark.table_file import CurvePart, SheetPart
from reenact.errors import ReenactError, suggest_names

Quantity = Literal["pose_difference", "yaw_difference"]


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Columns of a table over bins of a difference between the two faces of a pair, a line for each row."""

    id: str
    title: str
    columns: tuple[str, ...]
    over: Quantity
    """Difference of the face parameters in degrees, see `metrics.pose_difference`."""
    bins: tuple[float, ...]
    """Edges in degrees, increasing; the last bin includes its upper edge."""
    rows: tuple[str, ...]
    least_frames: int
    """Frames without which a bin has no distance between sets."""


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """Chosen pairs of a loader, one row each, and a column for each method and mode of the transfer."""

    id: str
    title: str
    loader: Literal["self", "cross"]
    pairs: tuple[int, ...]
    """Numbers of frames in the order of `frames_LOADER.parquet`."""
    rows: tuple[str, ...]
    modes: tuple[str, ...]
    """Modes of the transfer, one column each; empty for one column with the transfer of the paper."""


Figure = Curve | Sheet


def has_curves(figures: Sequence[Figure]) -> bool:
    """Tell if there is a curve among figures, for which tests write differences of pose and features."""
    return any(isinstance(figure, Curve) for figure in figures)


def build_figures(
    path: Path, contents: Sequence[CurvePart | SheetPart], columns: Sequence[str], rows: Sequence[str]
) -> tuple[Figure, ...]:
    """Build the figures of a table.

    Args:
        path: The file of the table, for messages.
        contents: Figures as the file has them.
        columns: Ids of the columns of the table.
        rows: Ids of its rows; all are shown by figures that name none.

    Raises:
        ReenactError: if two figures have one id, or a figure names a column, row or mode that it cannot show.
    """
    figures = tuple(_build_figure(content, rows) for content in contents)
    ids = [figure.id.lower() for figure in figures]
    if len(set(ids)) < len(ids):
        raise ReenactError(f"{path} is no table: two figures have one id; see docs/benchmark.md")
    for figure in figures:
        named_columns = figure.columns if isinstance(figure, Curve) else ()
        for kind, names, table_ids in (("column", named_columns, columns), ("row", figure.rows, rows)):
            unknown = next((name for name in names if name not in table_ids), None)
            if unknown is not None:
                hint = suggest_names(unknown, list(table_ids))
                raise ReenactError(
                    f"{path} is no table: the figure {figure.id} names the {kind} {unknown}, which the table has not;"
                    f" {hint}"
                )
        if isinstance(figure, Sheet) and figure.modes and figure.loader == "self":
            raise ReenactError(
                f"{path} is no table: the figure {figure.id} has modes of transfer, and motion between pictures of"
                " one person is not transferred; set its loader to cross"
            )
    return figures


def _build_figure(content: CurvePart | SheetPart, rows: Sequence[str]) -> Figure:
    chosen = tuple(rows if content.rows is None else content.rows)
    if isinstance(content, SheetPart):
        return Sheet(
            id=content.id,
            title=content.title,
            loader=content.loader,
            pairs=tuple(content.pairs),
            rows=chosen,
            modes=tuple(content.modes or ()),
        )
    return Curve(
        id=content.id,
        title=content.title,
        columns=tuple(content.columns),
        over=content.over,
        bins=tuple(content.bins),
        rows=chosen,
        least_frames=content.least_frames,
    )
