"""Sheets of chosen pairs: each row of a table is tested on them alone, and its grids are put side by side."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow.parquet as pq

from reenact.benchmark.comparison import draw_comparison
from reenact.benchmark.figure_spec import Sheet
from reenact.benchmark.job import Settings
from reenact.benchmark.spec import Row
from reenact.benchmark.training import DONE, matches_fingerprint, write_fingerprint
from reenact.callbacks.whole_files import write_picture
from reenact.data.pairs.lists import NamedPair, write_pairs
from reenact.errors import ReenactError
from reenact.paths import hash_file

LOG = logging.getLogger("reenact")
GRID = "grid.png"
PROBLEM = "problem.txt"
"""Reason why a row has no grid of a figure."""


def render_grids(row: Row, settings: Settings, arguments: Sequence[str], checkpoint: Path) -> None:
    """Test a row on the pairs of each sheet that shows it, once for each mode; finished grids are kept.

    Args:
        row: The row, whose scores are in its folder.
        settings: Of the call.
        arguments: Of `reenact test`, without pairs and checkpoint.
        checkpoint: The trained weights.
    """
    for figure in settings.table.figures:
        if not isinstance(figure, Sheet) or row.id not in figure.rows:
            continue
        for mode in figure.modes or ("",):
            folder = grid_folder(settings.row_folder(row), figure, mode)
            try:
                pairs = _choose_pairs(figure, settings.row_folder(row) / f"frames_{figure.loader}.parquet")
            except ReenactError as error:
                _note_problem(folder, str(error))
                continue
            inputs = {"arguments": list(arguments), "pairs": [vars(pair) for pair in pairs], "mode": mode}
            # The record of the row's scores depends on the checkpoint and on the stores.
            made_from = inputs | {"scores": hash_file(settings.row_folder(row) / DONE)}
            if not matches_fingerprint(folder / DONE, made_from):
                LOG.info("%s: pictures of the figure %s%s", row.id, figure.id, f", {mode}" if mode else "")
                _render_grid(folder, figure, pairs, [*arguments, "--ckpt_path", str(checkpoint)], mode, settings)
                if (folder / GRID).is_file():
                    write_fingerprint(folder / DONE, made_from)


def grid_folder(row_folder: Path, figure: Sheet, mode: str) -> Path:
    """Return the folder of a row's grid of a figure and mode; without a mode, of the transfer of the paper."""
    return row_folder / "figures" / (f"{figure.id}@{mode}" if mode else figure.id)


def _choose_pairs(figure: Sheet, frames: Path) -> list[NamedPair]:
    """The pairs of a sheet by the names of their clips; raises `ReenactError` for numbers that there are not."""
    columns = ["source_clip", "source_frame", "driving_clip", "driving_frame"]
    rows = pq.read_table(frames, columns=columns).to_pylist() if frames.is_file() else []
    absent = next((number for number in figure.pairs if number >= len(rows)), None)
    if absent is not None:
        raise ReenactError(
            f"the figure {figure.id} shows the pair {absent}, and there are {len(rows)} {figure.loader} pairs"
        )
    return [NamedPair(*(rows[number][name] for name in columns)) for number in figure.pairs]


def _render_grid(
    folder: Path, figure: Sheet, pairs: Sequence[NamedPair], arguments: Sequence[str], mode: str, settings: Settings
) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write_pairs(folder / "pairs.csv", pairs)
    run = folder / "test"
    options = ["test", *arguments, "--data.pairs", str(folder / "pairs.csv"), "--data.batch_size", str(len(pairs))]
    options += ["--pictures.samples", str(len(pairs)), "--metrics.names", "[]", "--out", str(run)]
    options += ["--transfer.mode", mode] if mode else []
    log = settings.folder / "logs" / f"{folder.parent.parent.name}.{folder.name}.txt"
    log.parent.mkdir(parents=True, exist_ok=True)
    outcome = settings.run(options, log)
    grids = sorted((run / "pictures").glob(f"test_{figure.loader}_[0-9]*.png"))
    if outcome.done and grids:
        shutil.copyfile(grids[0], folder / GRID)
        shutil.rmtree(run)
    else:
        _note_problem(folder, outcome.problem or "the test made no grid")


def _note_problem(folder: Path, problem: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / GRID).unlink(missing_ok=True)
    (folder / PROBLEM).write_text(problem + "\n", encoding="utf-8")


def write_sheet(figure: Sheet, row_folders: Mapping[str, Path], path: Path) -> list[str]:
    """Write a sheet from the grids of its rows; without one, an older sheet is removed.

    Args:
        figure: The figure.
        row_folders: Row -> its folder.
        path: The picture.

    Returns:
        Why columns are missing.
    """
    grids: dict[str, Path] = {}
    problems = []
    for row in figure.rows:
        for mode in figure.modes or ("",):
            name = f"{row} {mode}".rstrip()
            folder = grid_folder(row_folders[row], figure, mode)
            if (folder / GRID).is_file():
                grids[name] = folder / GRID
            else:
                reason = folder / PROBLEM
                text = reason.read_text(encoding="utf-8").strip() if reason.is_file() else "no pictures of it yet"
                problems.append(f"{name}: {text}")
    sheet = draw_comparison(grids, least=1)
    if sheet is None:
        path.unlink(missing_ok=True)
    else:
        write_picture(sheet, path)
    return problems
