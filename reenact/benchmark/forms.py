"""The forms of a report as text: Markdown, CSV, LaTeX. The page is in `page`."""

from __future__ import annotations

import csv
import io
import re

from reenact.benchmark.report import Cell, Line, Report

READING = (
    "Numbers are ours, in parentheses the paper's and the difference where both measure the same on the same data."
)


def render_markdown(report: Report) -> str:
    """A table for READMEs and pages; the best of our numbers in bold."""
    first = {places[0]: loader for loader, places in report.groups()}
    heads = [f"{first.get(n, '')}<br>{label} {head[-1]}" for n, (label, head) in enumerate(_group_heads(report))]
    lines = [_build_title(report), ""]
    if report.table.paper:
        lines += [READING, ""]
    lines += [_join_cells(["method", *heads]), _join_cells(["---", *("---:" for _ in heads)])]
    for line in report.lines:
        cells = [f"**{cell.plain()}**" if cell.best else cell.plain() for cell in line.cells]
        marks = [f" [{cell.note}]" if cell.note else "" for cell in line.cells]
        method = line.result.row.method + "".join(f" [{note}]" for note in line.notes)
        lines.append(_join_cells([method, *map("".join, zip(cells, marks, strict=True))]))
    lines += [
        "",
        *(f"- `{m.column.id}`: `{m.metric}`{_paper_metric(m.metric, m.column.metric)}" for m in report.measured),
    ]
    lines += ["", *(f"- {remark}" for remark in report.remarks), ""]
    lines += [f"[{number}] {note}  " for number, note in enumerate(report.footnotes, 1)]
    return "\n".join(lines).rstrip() + "\n"


def comma_separated(report: Report) -> str:
    """One line a row; for each column our number, the paper's and the difference, with all digits."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    kinds = ("", ".paper", ".difference")
    writer.writerow(["row", "method", "model", *(c.column.id + k for c in report.measured for k in kinds), "notes"])
    for line in report.lines:
        row = line.result.row
        numbers = [n for cell in line.cells for n in (cell.measured, cell.paper, cell.difference)]
        notes = sorted({*line.notes, *(cell.note for cell in line.cells if cell.note)})
        notes_text = "; ".join(report.footnotes[number - 1] for number in notes)
        writer.writerow(
            [row.id, row.method, row.model or "", *("" if n is None else repr(n) for n in numbers), notes_text]
        )
    return buffer.getvalue()


def render_latex(report: Report) -> str:
    """A floating table with groups of columns, the best of ours in bold, and each footnote once.

    Needs the packages booktabs and threeparttable. Remarks and what only a screen can use are comments.
    """
    arrows = {"↑": r"$\uparrow$", "↓": r"$\downarrow$"}
    notes = _Letters(report)
    body = [row for line in report.lines for row in _latex_rows(line, notes)]
    last = len(report.measured) + 1
    groups, rules, start = [], [], 2
    for loader, places in report.groups():
        groups.append(rf"\multicolumn{{{len(places)}}}{{c}}{{{report.name_group(loader).capitalize()}}}")
        rules.append(rf"\cmidrule(lr){{{start}-{start + len(places) - 1}}}")
        start += len(places)
    lines = [
        f"% {_build_title(report)}",
        r"% needs \usepackage{booktabs,threeparttable}",
        *(f"% {remark}" for remark in report.remarks),
        r"\begin{table*}[t]",
        r"\centering",
        r"\small",
        rf"\setlength{{\tabcolsep}}{{{4 if last > 8 else 6}pt}}",
        r"\begin{threeparttable}",
        rf"\caption{{{_build_caption(report)}}}",
        rf"\label{{tab:{report.table.id}}}",
        r"\begin{tabular}{l" + "r" * len(report.measured) + "}",
        r"\toprule",
        " & ".join(["", *groups]) + r" \\",
        " ".join(rules),
        " & ".join(["Method", *(f"{_escape_latex(label)} {arrows[head[-1]]}" for label, head in _group_heads(report))])
        + r" \\",
        r"\midrule",
        *body,
        r"\bottomrule",
        r"\end{tabular}",
        *notes.lines(),
        r"\end{threeparttable}",
        r"\end{table*}",
    ]
    return "\n".join(lines) + "\n"


class _Letters:
    """Footnotes of a printed table: a letter for each reason, in the order of their marks."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._order: list[str] = []

    def mark(self, *numbers: int) -> str:
        letters = []
        for number in numbers:
            reason = self._report.reasons[number - 1]
            if reason not in self._order:
                self._order.append(reason)
            letters.append(_note_letter(self._order.index(reason)))
        return rf"\tnote{{{','.join(letters)}}}" if letters else ""

    def lines(self) -> list[str]:
        if not self._order:
            return []
        items = [rf"\item[{_note_letter(place)}] {_escape_latex(reason)}." for place, reason in enumerate(self._order)]
        return [r"\begin{tablenotes}[flushleft]\footnotesize", *items, r"\end{tablenotes}"]


def _note_letter(place: int) -> str:
    return ("" if place < 26 else _note_letter(place // 26 - 1)) + "abcdefghijklmnopqrstuvwxyz"[place % 26]


def _latex_rows(line: Line, notes: _Letters) -> list[str]:
    """A row of our numbers, one of the paper's below it, or the paper's alone where we have none."""
    method, marks = _escape_latex(line.result.row.method), notes.mark(*line.notes)
    paper = [_replace_minus(cell.text(cell.paper)) for cell in line.cells]
    printed = any(cell.paper is not None for cell in line.cells)
    if not line.result.scores:
        return [" & ".join([method + (" (paper)" if printed else "") + marks, *paper]) + r" \\"]
    cells = [_latex_cell(cell, notes) for cell in line.cells]
    rows = [" & ".join([method + marks, *cells]) + r" \\"]
    return [*rows, " & ".join([r"\quad paper", *paper]) + r" \\"] if printed else rows


def _latex_cell(cell: Cell, notes: _Letters) -> str:
    text = _replace_minus(cell.ours_text())
    text = rf"\textbf{{{text}}}" if cell.best else text
    return text + ("" if cell.note is None else notes.mark(cell.note))


def _replace_minus(number: str) -> str:
    return "--" if number == "-" else number.replace("-", "$-$")


def _build_caption(report: Report) -> str:
    best = any(cell.best for line in report.lines for cell in line.cells)
    source = f" Numbers marked as the paper's are printed in {report.table.paper}." if report.table.paper else ""
    bold = " The best of our numbers is bold." if best else ""
    return f"{_escape_latex(report.table.title.rstrip('.'))}.{_escape_latex(source)}{bold}"


def _group_heads(report: Report) -> list[tuple[str, str]]:
    return list(zip(report.labels, report.heads, strict=True))


def _escape_latex(text: str) -> str:
    text = text.replace("\\", r"\textbackslash ")
    text = re.sub(r"([#$%&_{}])", r"\\\1", text)
    for sign, spelled in (("~", r"\textasciitilde "), ("^", r"\textasciicircum "), ("<", "$<$"), (">", "$>$")):
        text = text.replace(sign, spelled)
    return text


def _build_title(report: Report) -> str:
    paper = f" ({report.table.paper})" if report.table.paper else ""
    return f"{report.table.id}: {report.table.title}{paper}"


def _paper_metric(metric: str, paper: str) -> str:
    return "" if metric == paper else f" in place of `{paper}`"


def _join_cells(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"
