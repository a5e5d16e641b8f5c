"""MagicPortrait: latent video diffusion guided by renders of FLAME (arXiv 2504.21497)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reenact.methods.lazy import load_lazily

if TYPE_CHECKING:
    from reenact.models.magicportrait.module import MagicPortraitModule

__all__ = ["MagicPortraitModule"]
__getattr__ = load_lazily(__name__, MagicPortraitModule="module")
