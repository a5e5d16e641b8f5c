"""Closing report of `prepare`, and the report of a store by `--status`."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from reenact.data.store.reader import ClipRecord, Store

MOST_ROWS = 40
"""Clips up to which they are listed one by one."""
_OWN = re.compile(r"\S*(?:\d|/|\w\.\w)\S*")
"""Words of a reason that are a clip's own: numbers, paths, names of files."""


@dataclass
class Reason:
    """Reason why some clips are unusable."""

    clips: int = 0
    example: str = ""
    """The first of them, and its own words."""


@dataclass(kw_only=True)
class Summary:
    """A store in numbers; made from any number of rows in little memory."""

    splits: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """Clips of each split by status."""
    frames: Counter[str] = field(default_factory=Counter)
    """Usable frames of each split."""
    reasons: defaultdict[tuple[str, str], Reason] = field(default_factory=lambda: defaultdict(Reason))
    """Reasons by status and common text."""
    seconds: Counter[str] = field(default_factory=Counter)
    """Time that each stage took for the usable clips."""
    first: list[ClipRecord] = field(default_factory=list)
    """At most one clip more than are listed."""

    @property
    def usable(self) -> int:
        """Clips."""
        return sum(counts["ok"] for counts in self.splits.values())

    @classmethod
    def of(cls, records: Iterable[ClipRecord]) -> Summary:
        """Count rows."""
        summary = cls()
        for record in records:
            summary.splits[record.split][record.status] += 1
            if len(summary.first) <= MOST_ROWS:
                summary.first.append(record)
            if record.status == "ok":
                summary.frames[record.split] += record.num_frames
                summary.seconds.update(record.seconds)
                continue
            reason = summary.reasons[record.status, _OWN.sub("...", record.reason)]
            reason.clips += 1
            reason.example = reason.example or f"{record.name}: {record.reason}"
        return summary


def print_report(
    root: Path,
    records: Iterable[ClipRecord],
    wall_seconds: float | None = None,
    waiting: Mapping[str, int] | None = None,
) -> Summary:
    """Print clips by split, reasons by number, and frames per second of each stage; of few clips also each.

    Args:
        root: The store.
        records: Rows of its manifest.
        wall_seconds: How long the run took that made them.
        waiting: Clips of each split that have no row yet.

    Returns:
        What was printed.
    """
    summary, console = Summary.of(records), Console()
    for split, clips in (waiting or {}).items():
        summary.splits[split]["waiting"] = clips
    if len(summary.first) <= MOST_ROWS:
        console.print(_clip_table(summary.first))
    console.print(_split_table(summary))
    if len(summary.first) > MOST_ROWS and summary.reasons:
        console.print(_reason_table(summary))
    usable, total = summary.usable, sum(counts.total() for counts in summary.splits.values())
    console.print(f"{usable} of {total} clips usable, {summary.frames.total()} frames, in {escape(str(root))}")
    if waiting:
        console.print(f"{sum(waiting.values())} clips are waiting; run the same command again to go on")
    if usable:
        rates = {stage: summary.frames.total() / took for stage, took in summary.seconds.items() if took}
        rate_texts = (f"{stage} {rate:.{0 if rate >= 10 else 1}f}" for stage, rate in rates.items())
        console.print(f"Frames/s per worker: {', '.join(rate_texts)}")
    if usable and wall_seconds is not None:
        console.print(f"{wall_seconds:.1f} s in all; look at {escape(str(root / 'previews'))} to judge the fits")
    return summary


def print_status(root: Path) -> None:
    """Print the state of a store's clips and how it is made; raises `ReenactError` if it is no store."""
    store = Store(root)
    print_report(root, store.scan(), waiting=store.waiting())
    settings = {"face_model": store.info.face_model, "size": store.info.size, **store.info.recipe}
    settings_text = ", ".join(f"{name} {value}" for name, value in settings.items() if value not in ("", "None"))
    Console().print(f"Made with {escape(settings_text)}")


def _clip_table(records: Iterable[ClipRecord]) -> Table:
    clip, identity, status = (Column(title, overflow="fold") for title in ("clip", "identity", "status"))
    table = Table(clip, "split", identity, "frames", "fps", "error", status, box=None)
    for record in records:
        usable = record.status == "ok"
        table.add_row(
            escape(record.name),
            escape(record.split),
            escape(record.identity),
            str(record.num_frames) if usable else "",
            f"{float(record.fps):.5g}" if usable else "",
            f"{record.error:.1%}" if usable else "",
            escape(f"{record.status}: {record.reason}" if record.reason else record.status),
        )
    return table


def _split_table(summary: Summary) -> Table:
    """Expected is what the input or its metadata name, found what is there of it, as far as it was looked at."""
    statuses = ["ok", "quarantined", "missing", *["waiting"] * any(c["waiting"] for c in summary.splits.values())]
    titles = ["usable" if status == "ok" else status for status in statuses]
    table = Table("split", "expected", "found", *titles, "frames", box=None)
    for split, counts in sorted(summary.splits.items()):
        numbers = [counts.total(), counts["ok"] + counts["quarantined"], *(counts[status] for status in statuses)]
        table.add_row(escape(split), *map(str, [*numbers, summary.frames[split]]))
    return table


def _reason_table(summary: Summary) -> Table:
    table = Table("clips", "status", Column("reason", overflow="fold"), Column("such as", overflow="fold"), box=None)
    most_first = sorted(summary.reasons.items(), key=lambda item: -item[1].clips)
    for (status, phrase), reason in most_first[:MOST_ROWS]:
        table.add_row(str(reason.clips), status, escape(phrase), escape(reason.example))
    return table
