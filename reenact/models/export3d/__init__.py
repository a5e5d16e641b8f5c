"""Export3D: tri-planes conditioned on expression (ECCV 2024, arXiv 2404.00636)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reenact.methods.lazy import load_lazily

if TYPE_CHECKING:
    from reenact.models.export3d.module import Export3DModule

__all__ = ["Export3DModule"]
__getattr__ = load_lazily(__name__, Export3DModule="module")
