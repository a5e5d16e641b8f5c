"""Expressions of heads that move by keypoints: another picture's, on the way to it, or drawn at random."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from reenact.apps.animator import Animator
from reenact.errors import ReenactError
from reenact.faces.fields import TensorFields
from reenact.methods.registry import find_method, list_methods, load_object

KEYS = ("from", "sample")


class ExpressionCodes(Protocol):
    """A network through whose codes expressions (B, E) are interpolated or drawn."""

    def between(self, source: Tensor, driving: Tensor, weight: float) -> Tensor:
        """Return the expressions at a weight, 0 to 1, on the way from the source's to the driving face's."""

    def sample(self, seed: int) -> Tensor:
        """Return a random expression (1, E), the same for the same seed."""


@dataclass(frozen=True)
class Expressions:
    """Expressions that the control `exp` accepts."""

    field: str
    """Field of the motion that holds the expression; empty where the motion has none."""
    source: Tensor
    """The source's."""
    other: Tensor | None
    """That of another picture."""
    vae: ExpressionCodes | None
    """Through which expressions are sampled and gone between."""

    @torch.inference_mode()
    def at(self, key: str, value: float, subject: str = "exp") -> Tensor:
        """An expression (batch 1).

        Args:
            key: `from`, the way from the source's to the other picture's, in a straight line through the codes of the
                VAE where there is one (MMFA, section 3.3); `sample`, one drawn from the VAE.
            value: how far, 0 to 1; the number of the draw.
            subject: beginning of messages.

        Raises:
            ReenactError: if the key is unknown, the value out of range, or the picture or VAE not given.
        """
        if key not in KEYS:
            raise ReenactError(f"{subject}: unknown key; methods driven by keypoints know {' and '.join(KEYS)}")
        if key == "from":
            if self.other is None:
                raise ReenactError(f"{subject}: no other picture is known; give it with --expression-from")
            if not 0 <= value <= 1:
                raise ReenactError(f"{subject} {value:g} is out of range: give 0 (the source's) to 1 (the picture's)")
            if self.vae is None:
                return torch.lerp(self.source, self.other, value)
            return self.vae.between(self.source, self.other, value)
        if self.vae is None:
            raise ReenactError(f"{subject}: no VAE is known to draw from; give its checkpoint with --expression-vae")
        if value < 0 or value != int(value):
            raise ReenactError(f"{subject} {value:g}: draws are numbered by whole numbers from 0 on")
        return self.vae.sample(int(value))


def known_expressions(
    parts: Mapping[str, tuple[str, ...]], source: TensorFields, other: TensorFields | None, vae: ExpressionCodes | None
) -> Expressions:
    """Return the expressions that `exp` accepts, for a source's motion and another picture's."""
    if "expression" not in parts:
        return Expressions("", torch.empty(0), None, None)
    (field,) = parts["expression"]
    return Expressions(field, getattr(source, field), None if other is None else getattr(other, field), vae)


def load_vae(path: Path, animator: Animator) -> ExpressionCodes:
    """Load the codes of expressions for a trained method, by the function that the method names.

    Raises:
        ReenactError: if the method has none, or the checkpoint is of another method or was trained on another one.
    """
    method = find_method(animator.module.method)
    if method is None or method.expression_codes is None:
        able = ", ".join(other.name for other in list_methods() if other.expression_codes is not None)
        raise ReenactError(f"--expression-vae is for {able} and {animator.checkpoint} is of {animator.module.method}")
    codes: ExpressionCodes = load_object(method.expression_codes)(path, animator.checkpoint, animator.device)
    return codes
