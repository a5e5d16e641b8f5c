"""The forms of a report as text: Markdown, CSV, LaTeX. The page is in `page`."""

from __future__ import annotations

import csv
import io
import re

from reenact.benchmark.report import Cell, Line, Report

READING = (
    "Numbers are ours, in parentheses the paper's and the difference where both measure the same on the same data."
)


def markdown(report: Report) -> str:
    """A table for READMEs and pages; the best of our numbers in bold."""
    heads = [head.replace(".", "<br>", 1) for head in report.heads]
    lines = [_title(report), ""]
    if report.table.paper:
        lines += [READING, ""]
    lines += [_bars(["method", *heads]), _bars(["---", *("---:" for _ in heads)])]
    for line in report.lines:
        cells = [f"**{cell.plain()}**" if cell.best else cell.plain() for cell in line.cells]
        marks = [f" [{cell.note}]" if cell.note else "" for cell in line.cells]
        method = line.result.row.method + "".join(f" [{note}]" for note in line.notes)
        lines.append(_bars([method, *map("".join, zip(cells, marks, strict=True))]))
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
        numbers = [n for cell in line.cells for n in (cell.ours, cell.paper, cell.difference)]
        notes = sorted({*line.notes, *(cell.note for cell in line.cells if cell.note)})
        said = "; ".join(report.footnotes[number - 1] for number in notes)
        writer.writerow([row.id, row.method, row.model or "", *("" if n is None else repr(n) for n in numbers), said])
    return buffer.getvalue()


def latex(report: Report) -> str:
    """A `tabular` in the manner of booktabs, with the footnotes below."""
    marks = {"↑": r"$\uparrow$", "↓": r"$\downarrow$"}
    heads = [_escaped(head[:-2]) + marks[head[-1]] for head in report.heads]
    lines = [
        f"% {_title(report)}; needs \\usepackage{{booktabs}}",
        r"\begin{tabular}{l" + "r" * len(heads) + "}",
        r"\toprule",
        " & ".join(["method", *heads]) + r" \\",
        r"\midrule",
        *(_latex_row(line) for line in report.lines),
        r"\bottomrule",
        r"\end{tabular}",
        "",
        r"\begin{footnotesize}",
        *(rf"\par\noindent $^{{{number}}}$ {_escaped(note)}" for number, note in enumerate(report.footnotes, 1)),
        *(rf"\par\noindent {_escaped(remark)}" for remark in report.remarks),
        r"\end{footnotesize}",
    ]
    return "\n".join(lines) + "\n"


def _latex_row(line: Line) -> str:
    cells = [_latex_cell(cell) for cell in line.cells]
    marks = "".join(f"$^{{{note}}}$" for note in line.notes)
    return " & ".join([_escaped(line.result.row.method) + marks, *cells]) + r" \\"


def _latex_cell(cell: Cell) -> str:
    text = _escaped(cell.plain())
    text = rf"\textbf{{{text}}}" if cell.best else text
    return text + (f"$^{{{cell.note}}}$" if cell.note else "")


def _escaped(text: str) -> str:
    text = text.replace("\\", r"\textbackslash ")
    text = re.sub(r"([#$%&_{}])", r"\\\1", text)
    for sign, spelled in (("~", r"\textasciitilde "), ("^", r"\textasciicircum "), ("<", "$<$"), (">", "$>$")):
        text = text.replace(sign, spelled)
    return text


def _title(report: Report) -> str:
    paper = f" ({report.table.paper})" if report.table.paper else ""
    return f"{report.table.id}: {report.table.title}{paper}"


def _paper_metric(ours: str, paper: str) -> str:
    return "" if ours == paper else f" in place of `{paper}`"


def _bars(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"
