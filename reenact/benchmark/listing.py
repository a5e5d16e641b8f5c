"""`reenact benchmark --list`: the tables, and what of them can run with the data at hand."""

from __future__ import annotations

import sys
from pathlib import Path

from reenact.benchmark import data, spec
from reenact.benchmark.columns import assign_metrics
from reenact.benchmark.spec import SYNTHETIC, Table
from reenact.runs import presets


def print_tables(root: Path) -> None:
    """Print every table: its rows in the zoo, and what is missing on its own data.

    Args:
        root: The folder of the stores.
    """
    for name in spec.table_names():
        table = spec.load_table(name)
        available = [row.id for row in table.rows if row.model in presets.preset_names("model")]
        listed = f" ({', '.join(available)})" if available else ""
        rows = f"{len(available)} of {len(table.rows)} rows{listed}"
        lines = [
            f"{name}: {table.title}{f'; {table.paper}' if table.paper else ''}",
            f"  in the zoo: {rows}",
            f"  on {'the synthetic world' if table.test == SYNTHETIC else 'its own data'}: {own_data(table, root)}",
        ]
        if table.test != SYNTHETIC:
            lines.append(f"  with --world synthetic: {_describe_embedded(table, len(available))}")
        sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.write(
        f"Stores are looked for in {root}/ (--root), named as the data presets. n/a: files of networks are missing;"
        " `reenact weights list` says how to get them.\n"
    )


def own_data(table: Table, root: Path) -> str:
    """Return `yes` where a table can run on its own data, else the missing inputs."""
    available = [row for row in table.rows if row.model in presets.preset_names("model")]
    missing_names = [path.name for row in available for path in data.missing_stores(table, row, root)]
    problems = [m.metric for m in assign_metrics(table.columns, table.test == SYNTHETIC) if m.problem]
    parts = []
    if not available:
        parts.append("no row is in the zoo yet")
    if missing_names:
        parts.append(f"no store {', '.join(dict.fromkeys(missing_names))}")
    if problems:
        parts.append(f"n/a: {', '.join(dict.fromkeys(problems))}")
    return "; ".join(parts) or "yes"


def _describe_embedded(table: Table, rows: int) -> str:
    absent = [m.column.id for m in assign_metrics(table.columns, synthetic=True) if m.problem]
    if not rows:
        return "no row yet"
    return f"yes, without {', '.join(absent)}" if absent else "yes"
