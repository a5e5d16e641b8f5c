"""The built-in head model: geometry of our own, so that everything works with nothing to download."""

from reenact.faces.head.model import Head

__all__ = ["Head"]
