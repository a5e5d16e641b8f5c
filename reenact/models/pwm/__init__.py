"""PWM: geometry-driven progressive warping, guided by a posed face mesh (BMVC 2022, arXiv 2210.02391)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reenact.methods.lazy import load_lazily

if TYPE_CHECKING:
    from reenact.models.pwm.module import PWMModule

__all__ = ["PWMModule"]
__getattr__ = load_lazily(__name__, PWMModule="module")
