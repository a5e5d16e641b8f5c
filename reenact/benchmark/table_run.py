"""One call of `reenact benchmark` on a table: its rows in their order, its files after each."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from reenact import presets
from reenact.benchmark import data, forms, inputs, report, spec
from reenact.benchmark.columns import Measured, measure
from reenact.benchmark.job import Result, Settings, in_zoo
from reenact.benchmark.page import page
from reenact.benchmark.report import Report
from reenact.benchmark.rows import chosen_scale, finished, run_row
from reenact.benchmark.spec import SYNTHETIC, Row, Table
from reenact.benchmark.terminal import write_text
from reenact.benchmark.work import locked
from reenact.cli import quiet
from reenact.data.pair_plans import write_plan
from reenact.data.root_files import is_prepared
from reenact.errors import ReenactError, suggest
from reenact.methods.registry import collect_pair_plans
from reenact.names import check_name


def run_table(
    table: str,
    *,
    world: Literal["data", "synthetic"],
    root: Path,
    row: Sequence[str],
    add: Sequence[str],
    train: bool,
    checkpoint: Sequence[str],
    scale: str | None,
    logger: str,
    out: Path,
) -> int:
    """Bring a table up to date and write it; arguments, result and errors are those of `run.benchmark`."""
    chosen = spec.load(table)
    chosen = data.embedded(chosen) if world == "synthetic" and chosen.test != SYNTHETIC else chosen
    for kind, name in (("scale", scale), ("logger", logger)):
        if name:
            presets.find(kind, name)
    chosen = replace(chosen, rows=(*chosen.rows, *_added(add, chosen)))
    rows = _chosen(row, chosen)
    checkpoints = _checkpoints(checkpoint, chosen)
    quiet.begin()
    try:
        with locked(out) as lock:
            measured = tuple(measure(chosen.columns, chosen.test == SYNTHETIC))
            settings = Settings(
                chosen, out, root, chosen_scale(chosen, scale), measured, train, logger, lock, checkpoints
            )
            _plan_pairs(settings)
            results = _run(settings, rows)
    finally:
        quiet.close()
    report = _report(settings, results)
    write_text(report, sys.stdout, shutil.get_terminal_size().columns)
    sys.stdout.write(f"written: {settings.folder}/table.md, .csv, .tex, .html\n")
    if logger == "wandb":
        from reenact.benchmark.wandb_table import log_table

        log_table(report, out)
    return int(any(result.failed for result in results))


def _run(settings: Settings, rows: Sequence[str]) -> tuple[Result, ...]:
    """Every row; the files are written again after each, so that an interrupted table can be read."""
    results = [_earlier(finished(row, settings)) for row in settings.table.rows]
    _write(_report(settings, results), settings.folder)
    # Scores of other programs' frames are compared with those of rows that were run.
    order = sorted(enumerate(settings.table.rows), key=lambda entry: not in_zoo(entry[1]))
    for place, row in order:
        if row.id in rows:
            quiet.LOG.info("[%d/%d] %s", place + 1, len(results), row.method)
            results[place] = run_row(row, settings)
            if results[place].problem:
                quiet.LOG.info("%s: %s", row.id, results[place].problem)
            _write(_report(settings, results), settings.folder)
    return tuple(results)


def _earlier(result: Result) -> Result:
    """A row that this call has not looked at: whether its inputs have changed is not known."""
    return replace(result, weights=f"{result.weights}; of an earlier call") if result.scores else result


def _report(settings: Settings, results: Sequence[Result]) -> Report:
    own_data = settings.table.test != SYNTHETIC or not settings.table.paper
    remarks = _remarks(settings.table, settings.measured, settings)
    return report.make(settings.table, settings.measured, results, settings.folder, remarks, own_data)


def _remarks(table: Table, measured: Sequence[Measured], settings: Settings) -> list[str]:
    remarks = []
    for name in dict.fromkeys((table.train, table.test)):
        store = None if name == SYNTHETIC else settings.root / name
        if store is None or is_prepared(store):
            remarks.append(f"Data: {data.describe(store)}.")
    remarks.append(f"Pairs: {table.pairs or 'drawn by the data module'}, seed {table.seed}; scale {settings.scale}.")
    for network, files in inputs.networks([m.metric for m in measured if not m.problem]).items():
        listed = ", ".join(f"{name} (sha256 {digest[:12]})" for name, digest in files.items())
        if listed:
            remarks.append(f"Network {network}: {listed}.")
    if any("[probe]" in m.metric for m in measured):
        remarks.append(
            "Metrics named [probe] are read by this package's own network, trained on the synthetic world: they compare"
            " rows of this table, never with numbers of another network."
        )
    if table.test == SYNTHETIC and table.paper:
        remarks.append(
            "The paper's numbers are of its own data and networks; no difference is given, because there is none to"
            " take."
        )
    if table.overrides:
        remarks.append("Options of every row: " + ", ".join(f"{k} {v}" for k, v in table.overrides.items()) + ".")
    place = " in the paper" if table.paper else ""
    remarks += [f"{split.capitalize()}-reenactment{place}: {text}." for split, text in table.protocol.items()]
    return [*remarks, *table.notes]


def _write(report: Report, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    texts = {
        "table.md": forms.markdown(report),
        "table.csv": forms.comma_separated(report),
        "table.tex": forms.latex(report),
        "table.html": page(report, folder),
    }
    for name, text in texts.items():
        temporary = folder / f".{name}.part"
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(folder / name)


def _plan_pairs(settings: Settings) -> None:
    """Write the list of pairs, where the data are here; the same list each time."""
    table = settings.table
    if not table.pairs:
        return
    plans = list(collect_pair_plans())
    if table.pairs not in plans:
        raise ReenactError(f"The table {table.id} names the pairs {table.pairs}; {suggest(table.pairs, plans)}")
    target_root, sources = data.target(table, settings.root), data.portraits(table, settings.root)
    if target_root is None or (sources is not None and not is_prepared(sources)):
        return
    portraits = None if sources is None else str(sources)
    settings.folder.mkdir(parents=True, exist_ok=True)
    write_plan(
        str(target_root), preset=table.pairs, out=settings.folder / "pairs.csv", sources=portraits, seed=table.seed
    )


def _added(entries: Sequence[str], table: Table) -> list[Row]:
    """The rows of `--add`."""
    rows: list[Row] = []
    for word in entries:
        name, equals, model = word.partition("=")
        check_name(name, f"--add {word}: the row")
        if name.lower() in {row.id.lower() for row in (*table.rows, *rows)}:
            raise ReenactError(f"--add {word}: {table.id} has a row {name}; choose another id")
        if equals:
            presets.find("model", model)
        rows.append(Row(name, name, "own", model=model if equals else None))
    return rows


def _chosen(rows: Sequence[str], table: Table) -> list[str]:
    row_ids = [row.id for row in table.rows]
    for name in rows:
        if name not in row_ids:
            raise ReenactError(f"--row {name}: {table.id} has no such row; {suggest(name, row_ids)}")
    return [*rows] or row_ids


def _checkpoints(entries: Sequence[str], table: Table) -> dict[str, Path]:
    row_ids = [row.id for row in table.rows]
    paths = {}
    for word in entries:
        name, equals, path = word.partition("=")
        if not equals or name not in row_ids:
            raise ReenactError(f"--checkpoint {word}: expected ROW=FILE with one of the rows {', '.join(row_ids)}")
        if not Path(path).is_file():
            raise ReenactError(f"--checkpoint {word}: there is no such file")
        paths[name] = Path(path)
    return paths
