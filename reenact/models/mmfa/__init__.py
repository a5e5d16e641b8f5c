"""MMFA: 3D keypoints whose pose, scale, translation and expression come apart (arXiv 2603.04302)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reenact.methods.lazy import load_lazily

if TYPE_CHECKING:
    from reenact.models.mmfa.module import MMFAModule

__all__ = ["MMFAModule"]
__getattr__ = load_lazily(__name__, MMFAModule="module")
