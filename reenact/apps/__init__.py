"""Commands that use a trained method: animate, edit, evaluate and export, and the marks of their results."""

from reenact.apps.animator import Animator

__all__ = ["Animator"]
