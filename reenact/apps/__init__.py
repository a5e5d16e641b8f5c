"""Commands that use a trained method: animate, edit, evaluate and export, and the marks of their results."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reenact.methods.lazy import load_lazily

if TYPE_CHECKING:
    from reenact.apps.animator import Animator

__all__ = ["Animator"]
__getattr__ = load_lazily(__name__, Animator="animator")
