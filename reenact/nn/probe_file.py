"""The file of the probe's weights. No torch."""

from __future__ import annotations

from pathlib import Path
from typing import Final

WEIGHTS: Final = Path(__file__).with_name("probe.safetensors")
"""The shipped weights in float16; `docs/probe.md` has the command, seed and report of their training."""
