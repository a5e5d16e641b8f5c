"""LivePortrait: implicit keypoints in space with a learned scale, stitched and retargeted (arXiv 2407.03168)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reenact.methods.lazy import load_lazily

if TYPE_CHECKING:
    from reenact.models.liveportrait.module import LivePortraitModule

__all__ = ["LivePortraitModule"]
__getattr__ = load_lazily(__name__, LivePortraitModule="module")
