"""Checks of the numbers among the options of the data."""

from __future__ import annotations

from reenact.errors import ReenactError


def check_number(name: str, number: float, least: float, most: float | None) -> None:
    """Raise `ReenactError` for an option of the data that is out of range, or not a number."""
    if not (number >= least and (most is None or number <= most)):
        allowed = f"at least {least}" if most is None else f"from {least} to {most}"
        raise ReenactError(f"--data.{name} {number} must be {allowed}")
