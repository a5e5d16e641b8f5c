"""BFM flow: computed flow and occlusion, completed by a network (AAAI 2023)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reenact.methods.lazy import load_lazily

if TYPE_CHECKING:
    from reenact.models.bfm_flow.module import BFMFlowModule

__all__ = ["BFMFlowModule"]
__getattr__ = load_lazily(__name__, BFMFlowModule="module")
