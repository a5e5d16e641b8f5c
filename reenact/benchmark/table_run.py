"""One call of `reenact benchmark` on a table: its rows in their order, its files after each."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from reenact.benchmark import data, forms, report, spec
from reenact.benchmark.columns import Measured, assign_metrics
from reenact.benchmark.comparison import write_comparisons
from reenact.benchmark.figures import draw_figures
from reenact.benchmark.job import Result, Settings, in_zoo, metric_names
from reenact.benchmark.page import render_page
from reenact.benchmark.report import Report
from reenact.benchmark.rows import chosen_scale, read_finished_row, run_row
from reenact.benchmark.spec import SYNTHETIC, Row, Table
from reenact.benchmark.terminal import write_text
from reenact.benchmark.work import lock_folder
from reenact.data.pairs.plans import write_plan
from reenact.data.store.root_files import is_prepared
from reenact.errors import ReenactError, suggest_names
from reenact.methods.registry import collect_pair_plans
from reenact.metrics.network_hashes import hash_networks
from reenact.names import check_name
from reenact.runs import presets, quiet


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
    chosen = spec.load_table(table)
    chosen = data.embed_table(chosen) if world == "synthetic" and chosen.test != SYNTHETIC else chosen
    for kind, name in (("scale", scale), ("logger", logger)):
        if name:
            presets.find_preset(kind, name)
    chosen = replace(chosen, rows=(*chosen.rows, *_parse_added_rows(add, chosen)))
    rows = _chosen_rows(row, chosen)
    checkpoints = _parse_checkpoints(checkpoint, chosen)
    quiet.begin_logging()
    try:
        with lock_folder(out) as lock:
            measured = tuple(assign_metrics(chosen.columns, chosen.test == SYNTHETIC))
            settings = Settings(
                table=chosen,
                out=out,
                root=root,
                scale=chosen_scale(chosen, scale),
                measured=measured,
                train=train,
                logger=logger,
                lock=lock,
                checkpoints=checkpoints,
            )
            _plan_pairs(settings)
            results = _run_rows(settings, rows)
    finally:
        quiet.close_logging()
    report = _build_report(settings, results)
    write_text(report, sys.stdout, shutil.get_terminal_size().columns)
    sys.stdout.write(f"written: {settings.folder}/table.md, .csv, .tex, .html\n")
    if logger == "wandb":
        from reenact.benchmark.wandb_table import log_table

        log_table(report, out)
    return int(any(result.failed for result in results))


def _run_rows(settings: Settings, rows: Sequence[str]) -> tuple[Result, ...]:
    """Every row; the files are written again after each, so that an interrupted table can be read."""
    results = [_read_earlier_result(read_finished_row(row, settings)) for row in settings.table.rows]
    _write_report(settings, results)
    # Scores of other programs' frames are compared with those of rows that were run.
    order = sorted(enumerate(settings.table.rows), key=lambda entry: not in_zoo(entry[1]))
    for place, row in order:
        if row.id in rows:
            quiet.LOG.info("[%d/%d] %s", place + 1, len(results), row.method)
            results[place] = run_row(row, settings)
            if results[place].problem:
                quiet.LOG.info("%s: %s", row.id, results[place].problem)
            _write_report(settings, results)
    return tuple(results)


def _read_earlier_result(result: Result) -> Result:
    """A row that this call has not looked at: whether its inputs have changed is not known."""
    return replace(result, weights=f"{result.weights}; of an earlier call") if result.scores else result


def _build_report(settings: Settings, results: Sequence[Result]) -> Report:
    own_data = settings.table.test != SYNTHETIC or not settings.table.paper
    remarks = _collect_remarks(settings.table, settings.measured, settings)
    return report.build_report(settings.table, settings.measured, results, settings.folder, remarks, own_data)


def _collect_remarks(table: Table, measured: Sequence[Measured], settings: Settings) -> list[str]:
    remarks = []
    for name in dict.fromkeys((table.train, table.test)):
        store = None if name == SYNTHETIC else settings.root / name
        if store is None or is_prepared(store):
            remarks.append(f"Data: {data.describe_store(store)}.")
    remarks.append(f"Pairs: {table.pairs or 'drawn by the data module'}, seed {table.seed}; scale {settings.scale}.")
    for network, files in hash_networks(metric_names(settings)).items():
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


def _write_report(settings: Settings, results: Sequence[Result]) -> None:
    report, folder = _build_report(settings, results), settings.folder
    folder.mkdir(parents=True, exist_ok=True)
    figures = draw_figures(settings, results)
    sheets = write_comparisons({line.result.row.id: line.pictures for line in report.lines}, folder)
    texts = {
        "table.md": forms.render_markdown(report),
        "table.csv": forms.comma_separated(report),
        "table.tex": forms.render_latex(report),
        "table.html": render_page(report, folder, sheets, figures),
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
        raise ReenactError(f"The table {table.id} names the pairs {table.pairs}; {suggest_names(table.pairs, plans)}")
    target_root, sources = data.target_store(table, settings.root), data.portrait_store(table, settings.root)
    if target_root is None or (sources is not None and not is_prepared(sources)):
        return
    portraits = None if sources is None else str(sources)
    settings.folder.mkdir(parents=True, exist_ok=True)
    write_plan(
        str(target_root), preset=table.pairs, out=settings.folder / "pairs.csv", sources=portraits, seed=table.seed
    )


def _parse_added_rows(entries: Sequence[str], table: Table) -> list[Row]:
    """The rows of `--add`."""
    rows: list[Row] = []
    for word in entries:
        name, equals, model = word.partition("=")
        check_name(name, f"--add {word}: the row")
        if name.lower() in {row.id.lower() for row in (*table.rows, *rows)}:
            raise ReenactError(f"--add {word}: {table.id} has a row {name}; choose another id")
        if equals:
            presets.find_preset("model", model)
        rows.append(Row(id=name, method=name, kind="own", model=model if equals else None))
    return rows


def _chosen_rows(rows: Sequence[str], table: Table) -> list[str]:
    row_ids = [row.id for row in table.rows]
    for name in rows:
        if name not in row_ids:
            raise ReenactError(f"--row {name}: {table.id} has no such row; {suggest_names(name, row_ids)}")
    return [*rows] or row_ids


def _parse_checkpoints(entries: Sequence[str], table: Table) -> dict[str, Path]:
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
