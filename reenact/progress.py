"""The console that progress bars are drawn on."""

from __future__ import annotations

from rich.console import Console


def open_progress_console() -> Console:
    """Build a console on the error stream: results stay alone on the output, and notebooks get lines, not widgets."""
    return Console(stderr=True, force_jupyter=False)
