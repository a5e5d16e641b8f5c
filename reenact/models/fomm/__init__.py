"""FOMM: keypoints with local affine motion, learned without labels (NeurIPS 2019, arXiv 2003.00196)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reenact.methods.lazy import load_lazily

if TYPE_CHECKING:
    from reenact.models.fomm.module import FOMMModule

__all__ = ["FOMMModule"]
__getattr__ = load_lazily(__name__, FOMMModule="module")
