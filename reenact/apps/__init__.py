"""What people do with a trained method: animate, edit, and the marks that say so."""

from reenact.apps.animator import Animator

__all__ = ["Animator"]
