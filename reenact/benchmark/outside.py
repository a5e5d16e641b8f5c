"""Rows that frames of other programs fill: accepted where they are of the table's own pairs and frames."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from reenact.benchmark import data
from reenact.benchmark.frames import describe_difference, table_frames
from reenact.benchmark.job import Result, Settings, in_zoo, metric_names
from reenact.benchmark.spec import Row
from reenact.benchmark.training import DONE
from reenact.callbacks.score_files import read_scores
from reenact.errors import ReenactError
from reenact.metrics.frame_set import FrameSet


def from_outside(row: Row, settings: Settings) -> Result:
    """Return the scores of another program's frames, where they are of the table's own pairs and frames."""
    path = settings.row_folder(row) / "scores.json"
    if not path.is_file():
        return _unfilled_row(row, settings)
    loaders = list(dict.fromkeys(measured.column.loader for measured in settings.measured))
    try:
        file = read_scores(path)
        table_sets = _table_frames(settings)
    except ReenactError as error:
        return Result(row=row, scores={}, problem=f"its scores are left out: {error}")
    if not file.frames:
        wrong = "the file does not say of which frames; score them again with this version"
    elif not table_sets:
        wrong = "the table's own frames are not here to compare with: neither its stores, nor a row that was run"
    else:
        differs = describe_difference(file.frames, table_sets, loaders)
        wrong = f"they are of {differs}" if differs else ""
    if wrong:
        return Result(row=row, scores={}, problem=f"its scores are left out: {wrong}")
    return Result(row=row, scores=file.scores, weights=f"frames of {file.about.get('generated', 'another program')}")


def _table_frames(settings: Settings) -> Mapping[str, FrameSet]:
    """The frames that the table is measured on: those of its list, else those of a row that was run; or nothing."""
    target = data.target_store(settings.table, settings.root)
    pairs = settings.pairs
    if pairs is not None and pairs.is_file() and target is not None:
        return table_frames(pairs, target, data.portrait_store(settings.table, settings.root), settings.size)
    for row in settings.table.rows:
        folder = settings.row_folder(row)
        if in_zoo(row) and (folder / DONE).is_file() and (folder / "scores.json").is_file():
            file = read_scores(folder / "scores.json")
            if file.frames:
                return file.frames
    return {}


def _unfilled_row(row: Row, settings: Settings) -> Result:
    """A row of a method outside of the zoo; one footnote for all, with the command for the first of them."""
    problem = _missing_reason(row)
    pairs, target = settings.pairs, data.target_store(settings.table, settings.root)
    if pairs is None:
        return Result(row=row, scores={}, problem=problem)
    if target is None or not pairs.is_file():
        places = (settings.root / settings.table.test, data.portrait_store(settings.table, settings.root))
        stores = " and ".join(str(place) for place in places if place)
        remedy = f"with a store at {stores} this footnote has the command that fills the row"
        return Result(row=row, scores={}, problem=problem, remedy=remedy)
    first = next(
        other for other in settings.table.rows if _lacks_scores(other, settings) and _missing_reason(other) == problem
    )
    generated = settings.folder / "frames" / first.id
    remedy = (
        f"for the row {first.id}, put one result for each line of {pairs}, named in their order, into {generated}"
        f" ({settings.size} pixels), and run `{how_to_fill(first, settings, target)}`"
    )
    return Result(row=row, scores={}, problem=problem, remedy=remedy)


def _missing_reason(row: Row) -> str:
    return "its method or preset is not in the zoo yet" if row.model else "not in the zoo"


def _lacks_scores(row: Row, settings: Settings) -> bool:
    """Tell if a row is one that frames of another program fill, and has no scores."""
    return not in_zoo(row) and not (settings.row_folder(row) / "scores.json").is_file()


def how_to_fill(row: Row, settings: Settings, target: Path) -> str:
    """Return the command that scores frames of another program for a row."""
    sources = data.portrait_store(settings.table, settings.root)
    arguments = ["reenact", "evaluate", "--generated", str(settings.folder / "frames" / row.id)]
    arguments += ["--pairs", str(settings.pairs), "--target", str(target)]
    arguments += [] if sources is None else ["--source", str(sources)]
    return shlex.join([*arguments, "--metrics", *metric_names(settings), "--out", str(settings.row_folder(row))])
