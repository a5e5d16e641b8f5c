"""PIRenderer: portraits moved by the coefficients of a morphable model (ICCV 2021, arXiv 2109.08379)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reenact.methods.lazy import load_lazily

if TYPE_CHECKING:
    from reenact.models.pirenderer.module import PIRendererModule

__all__ = ["PIRendererModule"]
__getattr__ = load_lazily(__name__, PIRendererModule="module")
