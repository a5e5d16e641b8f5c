"""A report as text for a terminal: blocks of columns that fit, our number above the paper's."""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Iterator, Sequence
from typing import TextIO

from reenact.benchmark.report import Line, Report

NAME_WIDTH = 26
"""Characters of the methods' names; longer ones are broken."""
READING = "* best of ours."
_COMMAND = re.compile(r"`(reenact [^`]+)`")


def write_text(report: Report, file: TextIO, width: int) -> None:
    """Write a report without markup or colour.

    Args:
        report: The report.
        file: Where to.
        width: Characters of a line, which commands alone may exceed.
    """
    width = max(width, 40)
    lines = textwrap.wrap(f"{report.table.id}: {report.table.title}", width)
    for loader, columns in report.groups():
        labels = [_row_label(line) for line in report.lines]
        name_width = min(NAME_WIDTH, width // 3, max(map(len, [*labels, "  difference"])))
        for block in _split_columns(report, columns, width - name_width):
            lines += ["", report.name_group(loader), *_render_block(report, block, labels, name_width)]
    if any(cell.best for line in report.lines for cell in line.cells):
        lines += ["", READING]
    for number, note in enumerate(report.footnotes, 1):
        lines += _wrap_note(f"[{number}] ", note, width)
    file.write("\n".join(line.rstrip() for line in lines) + "\n")


def command_lines(command: str, width: int) -> list[str]:
    """Return a command on several lines, as a shell continues them: one option and its values a line."""
    lines: list[str] = []
    for word in shlex.split(command):
        spelled = shlex.quote(word)
        if lines and not word.startswith("--") and len(lines[-1]) + 1 + len(spelled) + 2 <= width:
            lines[-1] += f" {spelled}"
        else:
            lines.append(spelled if not lines else f"  {spelled}")
    return [f"{line} \\" for line in lines[:-1]] + lines[-1:]


def _row_label(line: Line) -> str:
    return line.result.row.method + "".join(f" [{note}]" for note in line.notes)


def _split_columns(report: Report, columns: Sequence[int], width: int) -> Iterator[list[int]]:
    block: list[int] = []
    used_width = 0
    for column in columns:
        needed = _column_width(report, column)
        if block and used_width + needed > width:
            yield block
            block, used_width = [], 0
        block.append(column)
        used_width += needed
    if block:
        yield block


def _column_width(report: Report, column: int) -> int:
    texts = [_column_head(report, column)]
    for line in report.lines:
        texts += [text for _, cells in _row_lines(line, [column]) for text in cells]
    return max(map(len, texts)) + 2


def _column_head(report: Report, column: int) -> str:
    label, arrow = report.labels[column], report.heads[column][-1]
    return f"{label[:24]} {arrow}"


def _row_lines(line: Line, columns: Sequence[int]) -> Iterator[tuple[str, list[str]]]:
    """The lines of a row, with what each says: our numbers, the paper's, the differences."""
    cells = [line.cells[column] for column in columns]
    marks = ["" if cell.note is None else f"[{cell.note}]" for cell in cells]
    measured_cells = [
        cell.ours_text() + ("*" if cell.best else "") + mark for cell, mark in zip(cells, marks, strict=True)
    ]
    yield "", measured_cells
    if any(cell.paper is not None for cell in cells):
        yield "  paper", [cell.text(cell.paper) for cell in cells]
    if any(cell.difference is not None for cell in cells):
        yield "  difference", [cell.text(cell.difference, sign=True) for cell in cells]


def _render_block(report: Report, columns: Sequence[int], labels: Sequence[str], name_width: int) -> Iterator[str]:
    widths = [_column_width(report, column) for column in columns]

    def row(name: str, texts: Sequence[str]) -> str:
        return name.ljust(name_width) + "".join(text.rjust(size) for text, size in zip(texts, widths, strict=True))

    head = row("", [_column_head(report, column) for column in columns])
    yield head
    yield "-" * len(head)
    for line, label in zip(report.lines, labels, strict=True):
        *before, last = textwrap.wrap(label, name_width) or [""]
        yield from before
        for name, texts in _row_lines(line, columns):
            yield row(name or last, texts)


def _wrap_note(mark: str, note: str, width: int) -> Iterator[str]:
    """A footnote; its commands on lines of their own, to be copied."""
    for place, part in enumerate(_COMMAND.split(note)):
        if place % 2:
            yield from command_lines(part, width)
        elif part.strip():
            yield from textwrap.wrap(part.strip(), width, initial_indent="" if place else mark)
