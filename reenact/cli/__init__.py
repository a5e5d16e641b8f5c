"""The command `reenact`."""

from reenact.cli.main import main

__all__ = ["main"]
