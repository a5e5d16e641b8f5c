"""The page of a report: one HTML file with its pictures beside it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path

from reenact import __version__
from reenact.benchmark.figures import DrawnFigure
from reenact.benchmark.report import Cell, Line, Report

READING = (
    "The large numbers are ours, below them the paper's, and the difference where both measure the same on the same"
    " data. The best of ours is marked."
)
STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8888; --best: #2e7d3222; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 1340px; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .45rem; border-bottom: 1px solid var(--line); text-align: right; vertical-align: top; }
.name { text-align: left; position: sticky; left: 0; background: Canvas; min-width: 9rem; }
td + td, th + th { white-space: nowrap; }
thead .group { text-align: center; } .first { border-left: 1px solid var(--line); }
thead th { border-bottom: 2px solid var(--soft); font-weight: 600; }
thead small, td small { display: block; font-weight: 400; color: GrayText; }
td.best { background: var(--best); font-weight: 600; }
tr.absent td { color: GrayText; }
figure { margin: 1rem 0; } figure img { max-width: 100%; image-rendering: auto; border: 1px solid var(--line); }
code { font-size: .92em; }
sup { line-height: 0; } sup a { text-decoration: none; } li:target { background: var(--best); }
"""


def render_page(
    report: Report, folder: Path, sheets: Mapping[str, Path] | None = None, figures: Sequence[DrawnFigure] = ()
) -> str:
    """The HTML of a report.

    Args:
        report: The report.
        folder: Where the page will lie, to which the pictures' links are relative.
        sheets: Loader -> comparison sheet of all rows.
        figures: The figures of the table.
    """
    title = escape(f"{report.table.id}: {report.table.title}")
    paper = f"<p>{escape(report.table.paper)}</p>\n<p>{READING}</p>" if report.table.paper else ""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{STYLE}</style>
</head>
<body>
<h1>{title}</h1>
{paper}
<div class="scroll">
<table>
<thead>
<tr><th class="name" rowspan="2">method</th>{"".join(_render_groups(report))}</tr>
<tr>{"".join(_render_heads(report))}</tr>
</thead>
<tbody>
{"".join(_render_row(line, report) for line in report.lines)}</tbody>
</table>
</div>
<h2>Columns</h2>
<ul>{"".join(_render_columns(report))}</ul>
<h2>Notes</h2>
<ol>{"".join(f'<li id="note{n}">{_render_note(note)}</li>' for n, note in enumerate(report.footnotes, 1))}</ol>
<ul>{"".join(f"<li>{_render_note(remark)}</li>" for remark in report.remarks)}</ul>
{"".join(_render_table_figures(figures, folder))}
{"".join(_render_figures(report.lines, folder, sheets or {}))}
<p><small>reenact {__version__}</small></p>
</body>
</html>
"""


def _render_groups(report: Report) -> Iterable[str]:
    for loader, places in report.groups():
        yield f'<th class="group first" colspan="{len(places)}">{report.name_group(loader)}</th>'


def _group_starts(report: Report) -> set[int]:
    """Places of the columns that begin a group."""
    return {places[0] for _, places in report.groups()}


def _render_heads(report: Report) -> Iterable[str]:
    first = _group_starts(report)
    for place, (label, head) in enumerate(zip(report.labels, report.heads, strict=True)):
        name = report.measured[place].metric
        border = ' class="first"' if place in first else ""
        yield f'<th{border} title="{escape(name)}">{escape(label)} {head[-1]}</th>'


def _render_columns(report: Report) -> Iterable[str]:
    for measured in report.measured:
        other = measured.column.metric
        instead = "" if measured.metric == other else f" in place of <code>{escape(other)}</code>"
        yield f"<li>{escape(measured.column.id)}: <code>{escape(measured.metric)}</code>{instead}</li>"


def _render_row(line: Line, report: Report) -> str:
    kind = "" if line.result.scores else ' class="absent"'
    method = escape(line.result.row.method) + "".join(map(_render_mark, line.notes))
    first = _group_starts(report)
    cells = "".join(_render_cell(cell, place in first) for place, cell in enumerate(line.cells))
    return f'<tr{kind}><td class="name">{method}</td>{cells}</tr>\n'


def _render_cell(cell: Cell, first: bool) -> str:
    small = "" if cell.paper is None else f"<small>{cell.text(cell.paper)}</small>"
    small += "" if cell.difference is None else f"<small>{cell.text(cell.difference, sign=True)}</small>"
    mark = "" if cell.note is None else _render_mark(cell.note)
    classes = " ".join(name for name, applies in (("best", cell.best), ("first", first)) if applies)
    kind = f' class="{classes}"' if classes else ""
    return f"<td{kind}>{cell.ours_text()}{mark}{small}</td>"


def _render_mark(note: int) -> str:
    return f'<sup><a href="#note{note}">{note}</a></sup>'


def _render_figures(lines: Iterable[Line], folder: Path, sheets: Mapping[str, Path]) -> Iterable[str]:
    figures = [(f"Comparison, {loader}-reenactment", path) for loader, path in sheets.items()]
    for line in lines:
        method = escape(line.result.row.method)
        figures += [(f"{method}, {loader}-reenactment", path) for loader, path in line.pictures.items()]
    if figures:
        yield "<h2>Pictures</h2>"
    for caption, path in figures:
        yield _render_picture(caption, path, folder)


def _render_table_figures(figures: Sequence[DrawnFigure], folder: Path) -> Iterable[str]:
    if figures:
        yield "<h2>Figures</h2>"
    for figure in figures:
        caption = escape(figure.caption)
        yield f"<p>{caption}</p>" if figure.picture is None else _render_picture(caption, figure.picture, folder)
        if figure.notes:
            yield f"<ul>{''.join(f'<li>{_render_note(note)}</li>' for note in figure.notes)}</ul>"


def _render_picture(caption: str, path: Path, folder: Path) -> str:
    """A picture with its caption, which is escaped already."""
    link = escape(Path(os.path.relpath(path, folder)).as_posix())
    image = f'<img src="{link}" alt="{caption}" loading="lazy">'
    return f"<figure>{image}<figcaption>{caption}</figcaption></figure>"


def _render_note(note: str) -> str:
    """A note with its commands as code."""
    parts = escape(note).split("`")
    return "".join(f"<code>{part}</code>" if number % 2 else part for number, part in enumerate(parts))
