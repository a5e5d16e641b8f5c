"""Surfaces of edited heads."""

from __future__ import annotations

import torch

from reenact.apps.animator import Animator
from reenact.errors import ReenactError
from reenact.faces.fields import TensorFields
from reenact.models.common.surface import HasSurface, Surface


def find_surface(animator: Animator) -> HasSurface:
    """Return the network of a method that knows the surface of the head.

    Raises:
        ReenactError: if the method knows none.
    """
    if not isinstance(animator.network, HasSurface):
        raise ReenactError(f"{animator.module.method} knows no surface of the head: give --out a picture or a video")
    return animator.network


@torch.inference_mode()
def build_surface(animator: Animator, motion: TensorFields) -> Surface:
    """Return the surface of the prepared source with exactly a motion (batch 1); errors as of `find_surface`."""
    return find_surface(animator).build_surface(animator.state, motion.to(animator.device))
