"""Expressions of heads that move by keypoints: another picture's, on the way to it, or drawn at random."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from reenact.apps.animator import Animator
from reenact.errors import ReenactError
from reenact.faces.fields import TensorFields
from reenact.models.checkpoint import load_module, read
from reenact.models.mmfa.network import MMFA
from reenact.models.mmfa_vae.frozen import check_same, digest_of
from reenact.models.mmfa_vae.network import ExpressionVAE

KEYS = ("from", "sample")


@dataclass(frozen=True)
class Expressions:
    """Expressions that the control `exp` accepts."""

    field: str
    """Field of the motion that holds the expression; empty where the motion has none."""
    own: Tensor
    """The source's."""
    other: Tensor | None
    """That of another picture."""
    vae: ExpressionVAE | None
    """Through which expressions are sampled and gone between."""

    @torch.inference_mode()
    def at(self, key: str, value: float) -> Tensor:
        """An expression (batch 1).

        Args:
            key: `from`, the way from the source's to the other picture's, in a straight line through the codes of the
                VAE where there is one (MMFA, section 3.3); `sample`, one drawn from the VAE.
            value: how far, 0 to 1; the number of the draw.

        Raises:
            ReenactError: if the key is unknown, the value out of range, or the picture or VAE not given.
        """
        if key not in KEYS:
            raise ReenactError(f"exp {key}: unknown key; methods driven by keypoints know {' and '.join(KEYS)}")
        if key == "from":
            if self.other is None:
                raise ReenactError("exp from: no other picture is known; give it with --expression-from")
            if not 0 <= value <= 1:
                raise ReenactError(f"exp from {value:g} is out of range: give 0 (the source's) to 1 (the picture's)")
            if self.vae is None:
                return torch.lerp(self.own, self.other, value)
            return self.vae.between(self.own, self.other, value)
        if self.vae is None:
            raise ReenactError("exp sample: no VAE is known to draw from; give its checkpoint with --expression-vae")
        if value < 0 or value != int(value):
            raise ReenactError(f"exp sample {value:g}: draws are numbered by whole numbers from 0 on")
        return self.vae.sample(int(value))


def known_expressions(
    parts: Mapping[str, tuple[str, ...]], own: TensorFields, other: TensorFields | None, vae: ExpressionVAE | None
) -> Expressions:
    """Return the expressions that `exp` accepts, for a source's motion and another picture's."""
    if "expression" not in parts:
        return Expressions("", torch.empty(0), None, None)
    (field,) = parts["expression"]
    return Expressions(field, getattr(own, field), None if other is None else getattr(other, field), vae)


def load_vae(path: Path, animator: Animator) -> ExpressionVAE:
    """The expression VAE of a checkpoint, for a trained MMFA.

    Raises:
        ReenactError: if either file is of another method, or the VAE was trained on another MMFA.
    """
    if not isinstance(animator.network, MMFA):
        raise ReenactError(f"--expression-vae is for mmfa and {animator.checkpoint} is of {animator.module.method}")
    vae = load_module(path).network
    if not isinstance(vae, ExpressionVAE):
        raise ReenactError(f"--expression-vae {path} is of another method: give a checkpoint of mmfa_vae")
    check_same(vae, digest_of(read(animator.checkpoint)["state_dict"]), animator.checkpoint)
    return vae.to(animator.device)
