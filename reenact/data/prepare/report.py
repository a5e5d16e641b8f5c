"""What a run of `prepare` prints in the end, and what `--status` prints of a store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from reenact.data.store import ClipRecord, Store

MOST_ROWS = 40
"""Clips listed one by one; of larger stores those that need a look."""


def print_report(root: Path, records: Sequence[ClipRecord], wall_seconds: float | None = None) -> None:
    """Print a table of clips, totals, and frames per second of each stage."""
    console = Console()
    listed = [record for record in records if len(records) <= MOST_ROWS or record.reason]
    console.print(_table(listed[:MOST_ROWS]))
    usable = [record for record in records if record.status == "ok"]
    frames = sum(record.num_frames for record in usable)
    splits = ", ".join(f"{count} in {split}" for split, count in sorted(Counter(r.split for r in usable).items()))
    console.print(f"{len(usable)} of {len(records)} clips usable ({splits or 'none'}), {frames} frames, in {root}")
    if usable and wall_seconds is not None:
        console.print(f"{_stages(usable)}; {wall_seconds:.1f} s in all")
        console.print(f"Look at {root / 'previews'} to judge the fits")


def print_status(root: Path) -> None:
    """Print the state of a store's clips; raises `ReenactError` if it is no store."""
    print_report(root, Store(root).clips(status=None))


def _table(records: Sequence[ClipRecord]) -> Table:
    table = Table("clip", "split", "identity", "frames", "fps", "error", "status", box=None)
    for record in records:
        table.add_row(
            record.name,
            record.split,
            record.identity,
            str(record.num_frames),
            f"{float(record.fps):.5g}",
            f"{record.error:.1%}" if record.status == "ok" else "",
            f"{record.status}: {record.reason}" if record.reason else record.status,
        )
    return table


def _stages(records: Sequence[ClipRecord]) -> str:
    """Frames per second of each stage on one worker."""
    frames = sum(record.num_frames for record in records)
    totals: Counter[str] = Counter()
    for record in records:
        totals.update(record.seconds)
    rates = [f"{stage} {frames / seconds:.0f}" for stage, seconds in totals.items() if seconds]
    return "Frames/s per worker: " + ", ".join(rates)
