"""Expressions as weights on an orthonormal basis (Export3D, section 3.2: LeBS, "linear expression basis space")."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from reenact.faces.model import FaceModel
from reenact.faces.params import FaceParams

HEAD_JOINTS = ("global_pose", "neck_pose")
"""Rotations that turn the head as a whole, which is no expression."""


@dataclass(frozen=True, kw_only=True)
class BasisConfig:
    """Sizes of the space of expressions."""

    components: int = 10
    """Number n of basis vectors (section 4)."""
    width: int = 256
    """Length d of a basis vector, and of the code of an expression."""
    hidden: int = 256
    """Width of the hidden layer, which the paper does not give."""
    gain: float = 1.0
    """Factor of the coefficients and of the weights of the basis vectors. The paper's weights go from -10 to 20;
    coefficients that are small, as those of the built-in head, give small ones, of which a network that reads the code
    takes too little notice."""


class ExpressionBasis(nn.Module):
    """Code of an expression: a sum of orthonormal vectors, weighed by two layers that read the coefficients.

    The basis is the Q of a QR decomposition of the trained matrix, with the sign of each column so that the diagonal of
    R is positive: the decomposition leaves signs free, and devices choose them differently. The buffer `basis` holds
    the basis of the weights that were saved. A frozen network reads it and decomposes nothing, so that a checkpoint
    gives the same codes on every device.

    Args:
        face_model: the model of the parameters.
        config: sizes.
    """

    basis: Tensor

    def __init__(self, face_model: FaceModel, config: BasisConfig) -> None:
        super().__init__()
        self.joints = list_expression_joints(face_model)
        self.gain = config.gain
        self.layers = build_expression_layers(face_model, config.hidden, config.components)
        self.matrix = nn.Parameter(torch.randn(config.width, config.components))
        self.register_buffer("basis", orthonormalise_columns(self.matrix.detach()))
        self.register_state_dict_pre_hook(_store_basis)  # type: ignore[no-untyped-call]

    def forward(self, params: FaceParams) -> Tensor:
        """Codes (..., d) of face parameters."""
        return self.combine(self.weigh(params))

    def weigh(self, params: FaceParams) -> Tensor:
        """Weights (..., n) of the basis vectors."""
        weights: Tensor = self.gain * self.layers(self.gain * join_expression(params, self.joints))
        return weights

    def combine(self, weights: Tensor) -> Tensor:
        """Codes (..., d) of weights (..., n)."""
        with torch.autocast(weights.device.type, enabled=False):
            return weights.float() @ self._current_basis().mT

    def scale_vectors(self, weights: Tensor) -> Tensor:
        """Basis vectors (..., n, d) times weights (..., n); their sum is the code."""
        with torch.autocast(weights.device.type, enabled=False):
            return weights.float()[..., None] * self._current_basis().mT

    def _current_basis(self) -> Tensor:
        return orthonormalise_columns(self.matrix.float()) if self.matrix.requires_grad else self.basis


def list_expression_joints(face_model: FaceModel) -> tuple[str, ...]:
    """Return the rotations of a face model that are part of the expression: of jaw and eyes, where it turns those."""
    return tuple(name for name in face_model.rotations if name not in HEAD_JOINTS)


def build_expression_layers(face_model: FaceModel, hidden: int, outputs: int) -> nn.Sequential:
    """Build two layers that read `join_expression`."""
    joints = list_expression_joints(face_model)
    inputs = face_model.num_expression + sum(6 if name == "eye_pose" else 3 for name in joints)
    return nn.Sequential(nn.Linear(inputs, hidden), nn.LeakyReLU(0.2), nn.Linear(hidden, outputs))


def join_expression(params: FaceParams, joints: tuple[str, ...]) -> Tensor:
    """Expression coefficients (..., E) and the angles in radians of joints, one behind the other."""
    return torch.cat([params.expression, *(getattr(params, name) for name in joints)], -1)


def orthonormalise_columns(matrix: Tensor) -> Tensor:
    """Orthonormal columns (d, n) that span those of a matrix (d, n), each with a positive part of its own column."""
    columns: Tensor
    columns, rest = torch.linalg.qr(matrix)
    return columns * torch.where(rest.diagonal() < 0, -1.0, 1.0)


def _store_basis(module: ExpressionBasis, prefix: str, keep_vars: bool) -> None:
    """Bring the buffer up to date with trained weights, before they are saved."""
    if module.matrix.requires_grad:
        module.basis.copy_(orthonormalise_columns(module.matrix.detach()))
