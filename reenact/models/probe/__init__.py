"""The probe: the small network by which results are judged where no downloaded weights are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reenact.methods.lazy import load_lazily

if TYPE_CHECKING:
    from reenact.models.probe.module import ProbeModule

__all__ = ["ProbeModule"]
__getattr__ = load_lazily(__name__, ProbeModule="module")
