"""MMFA's expression VAE: expression features to sample and to go between (arXiv 2603.04302, section 3.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reenact.methods.lazy import load_lazily

if TYPE_CHECKING:
    from reenact.models.mmfa_vae.module import MMFAVAEModule

__all__ = ["MMFAVAEModule"]
__getattr__ = load_lazily(__name__, MMFAVAEModule="module")
