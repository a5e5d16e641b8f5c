"""Encoders of expressions, and the motion whose expression people may set by the weights of basis vectors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor, nn

from reenact.faces.model import FaceModel
from reenact.faces.params import FaceParams
from reenact.models.common.controls import Control
from reenact.models.common.expression_basis import (
    BasisConfig,
    ExpressionBasis,
    build_expression_layers,
    join_expression,
    list_expression_joints,
)
from reenact.models.export3d.transformer import Conditioning

FAMILY = "basis"
"""Family of the controls of basis vectors."""
LARGEST_WEIGHT = 20.0
"""Weights of basis vectors on either side; the paper shows -10 to 20."""


@dataclass
class BasisParams(FaceParams):
    """Face parameters whose expression is moved in the space of the basis."""

    offsets: Tensor | None = None
    """(..., n) numbers that are added to the weights of the basis vectors; (..., 0) where there is no basis."""


class DirectExpression(nn.Module):
    """Code of an expression by two layers without a basis (Table 3, "Direct 3DMM").

    Args:
        face_model: the model of the parameters.
        config: sizes; the components are not read.
    """

    def __init__(self, face_model: FaceModel, config: BasisConfig) -> None:
        super().__init__()
        self.joints = list_expression_joints(face_model)
        self.gain = config.gain
        self.layers = build_expression_layers(face_model, config.hidden, config.width)

    def forward(self, params: FaceParams) -> Tensor:
        """Codes (..., d) of face parameters."""
        code: Tensor = self.gain * self.layers(self.gain * join_expression(params, self.joints))
        return code


ExpressionEncoder = ExpressionBasis | DirectExpression


def count_components(encoder: ExpressionEncoder) -> int:
    """Number of basis vectors; 0 without a basis."""
    return encoder.matrix.shape[1] if isinstance(encoder, ExpressionBasis) else 0


def extend_params(params: FaceParams, encoder: ExpressionEncoder) -> BasisParams:
    """Face parameters with offsets: their own, or zeros."""
    if isinstance(params, BasisParams) and params.offsets is not None:
        return params
    parts = {field.name: getattr(params, field.name) for field in fields(FaceParams)}
    offsets = params.expression.new_zeros(*params.leading, count_components(encoder))
    return BasisParams(**parts, offsets=offsets)


def encode_expression(encoder: ExpressionEncoder, params: FaceParams, conditioning: Conditioning) -> Tensor:
    """Code (..., d) of the expression of face parameters, or for attention the scaled basis vectors (..., n, d)."""
    if isinstance(encoder, DirectExpression):
        code: Tensor = encoder(params)
        return code if conditioning == "norm" else code[..., None, :]
    weights = encoder.weigh(params)
    if isinstance(params, BasisParams) and params.offsets is not None:
        weights = weights + params.offsets
    return encoder.combine(weights) if conditioning == "norm" else encoder.scale_vectors(weights)


def list_basis_controls(encoder: ExpressionEncoder) -> Iterator[tuple[str, Control]]:
    """Controls of the weights of basis vectors, by name."""
    for number in range(count_components(encoder)):
        effect = "moves the expression along a direction that training found"
        control = Control(effect=effect, low=-LARGEST_WEIGHT, high=LARGEST_WEIGHT, part="expression")
        yield f"{FAMILY}.{number}", control


def set_basis_weight(params: FaceParams, name: str, value: float, encoder: ExpressionBasis) -> BasisParams:
    """Face parameters (...) whose expression has a weight of a basis vector, `basis.NUMBER`; other weights stay."""
    motion = extend_params(params, encoder)
    assert motion.offsets is not None
    number, offsets = int(name.partition(".")[2]), motion.offsets.clone()
    offsets[..., number] = value - encoder.weigh(motion)[..., number]
    return replace(motion, offsets=offsets)


def blend_offsets(first: FaceParams, second: FaceParams, blended: FaceParams, weight: float) -> FaceParams:
    """Blended face parameters with the offsets between those of two faces."""
    if not (isinstance(first, BasisParams) and isinstance(second, BasisParams) and isinstance(blended, BasisParams)):
        return blended
    assert first.offsets is not None
    assert second.offsets is not None
    return replace(blended, offsets=torch.lerp(first.offsets, second.offsets, weight))
