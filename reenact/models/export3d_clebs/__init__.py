"""CLeBS: expressions by contrast, on which Export3D stands (ECCV 2024, arXiv 2404.00636, section 3.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reenact.methods.lazy import load_lazily

if TYPE_CHECKING:
    from reenact.models.export3d_clebs.module import CLeBSModule

__all__ = ["CLeBSModule"]
__getattr__ = load_lazily(__name__, CLeBSModule="module")
