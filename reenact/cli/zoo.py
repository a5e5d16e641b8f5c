"""`reenact list`: what can be named on the command line. No torch."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from reenact.methods.registry import describe_absence, list_methods, scan_methods
from reenact.runs import presets


def list_zoo() -> None:
    """List methods and their presets, data sets, scales, trainers and loggers."""
    console = Console()
    for method in list_methods():
        table = Table(title=Text(f"{method.name}: {method.summary} ({method.paper})"), title_justify="left", box=None)
        table.add_column("--model", no_wrap=True)
        table.add_column("what")
        table.add_column("needs")
        for name, summary in method.presets.items():
            table.add_row(name, Text(summary), Text(method.needs))
        console.print(table, Text(describe_absence(method)))
    for problem in scan_methods().problems.values():
        console.print(Text(f"left out: {problem}"), "")
    for kind in presets.KINDS[1:]:
        table = Table(box=None)
        table.add_column(f"--{kind}", no_wrap=True)
        table.add_column("what")
        for name in presets.preset_names(kind):
            table.add_row(name, Text(presets.describe_preset(kind, name)))
        console.print(table, "")
