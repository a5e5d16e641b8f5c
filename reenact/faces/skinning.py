"""Face models of the FLAME kind: linear bases, then linear blend skinning over five joints."""

from __future__ import annotations

import torch
from torch import Tensor

from reenact.faces.camera import CameraType
from reenact.faces.model import FaceModel
from reenact.faces.params import FaceParams
from reenact.faces.rotation import axis_angle_to_matrix, join_rigid

PARENTS = (-1, 0, 1, 1, 1)
"""Parent of each joint: root (global), neck, jaw, left eye, right eye."""
SKULL = 1
"""Joint that the skull hangs on: the neck's, which root and neck rotation turn."""


class SkinnedFaceModel(FaceModel):
    """vertices = LBS(mean + bases * coefficients + pose correctives, joints of the shaped mesh, weights, rotations).

    Subclasses call `register_mesh` in their constructor. Equations 1 to 6 of FLAME (Li et al., SIGGRAPH Asia 2017); as
    there, the joints follow shape and expression alike. Parameters may have fewer shape or expression coefficients than
    the bases, or more than `num_shape` and `num_expression`; those left out are zero.
    """

    camera_type: CameraType = "orthographic"
    basis: Tensor
    """(V, 3, S + E) displacement per shape, then per expression coefficient."""
    shape_columns: int
    """S, how many columns of the bases are shape."""
    pose_basis: Tensor
    """(V, 3, P) displacement per entry of (R - I) of the four joints below the root; P is 36, or 0 for none."""
    joints: Tensor
    """(5, 3) joints of the mean head."""
    joint_basis: Tensor
    """(5, 3, S + E) movement of the joints per coefficient."""
    skinning_weights: Tensor
    """(V, 5) weight of each joint, of sum 1."""

    def register_mesh(
        self,
        *,
        mean_vertices: Tensor,
        faces: Tensor,
        shape_basis: Tensor,
        expression_basis: Tensor,
        pose_basis: Tensor,
        joint_regressor: Tensor,
        skinning_weights: Tensor,
    ) -> None:
        """Keep the model's data as non-persistent buffers.

        Args:
            mean_vertices: (V, 3) metres.
            faces: (F, 3) int64.
            shape_basis: (V, 3, S).
            expression_basis: (V, 3, E).
            pose_basis: (V, 3, 36), or (V, 3, 0).
            joint_regressor: (5, V) weights that turn vertices into joints.
            skinning_weights: (V, 5).
        """
        self.num_shape, self.num_expression = shape_basis.shape[-1], expression_basis.shape[-1]
        self.shape_columns = self.num_shape
        basis = torch.cat([shape_basis, expression_basis], -1)
        buffers = {
            "mean_vertices": mean_vertices,
            "faces": faces,
            "basis": basis,
            "pose_basis": pose_basis,
            "joints": joint_regressor @ mean_vertices,
            # In float32 the last bits would depend on the number of threads.
            "joint_basis": torch.einsum("jv,vkc->jkc", joint_regressor.double(), basis.double()).to(basis),
            "skinning_weights": skinning_weights,
        }
        for name, value in buffers.items():
            self.register_buffer(name, value, persistent=False)

    def _vertices(self, params: FaceParams, subset: Tensor | None) -> Tensor:
        mean, pose_basis, weights = self.mean_vertices, self.pose_basis, self.skinning_weights
        if subset is not None:
            mean, pose_basis, weights = mean[subset], pose_basis[subset], weights[subset]
        rest = mean + self._displacement(self.basis, params, subset)
        joints, rotations = self._joints(params), _joint_rotations(params)
        if pose_basis.shape[-1]:
            feature = rotations[:, 1:] - torch.eye(3, dtype=rotations.dtype, device=rotations.device)
            rest = rest + _combine_basis(pose_basis, feature.flatten(1))
        return skin_vertices(rest, joints, rotations, weights)

    def _skull(self, params: FaceParams) -> Tensor:
        rotation, translation = _chain_joints(self._joints(params), _joint_rotations(params))
        return join_rigid(rotation[:, SKULL], translation[:, SKULL])

    def _joints(self, params: FaceParams) -> Tensor:
        """(B, 5, 3) joints before the face is posed."""
        return self.joints + self._displacement(self.joint_basis, params)

    def _displacement(self, basis: Tensor, params: FaceParams, subset: Tensor | None = None) -> Tensor:
        """(B, N, 3) displacements by shape and expression, of all or some rows of a (N, 3, S + E) basis."""
        end = self.shape_columns + params.expression.shape[-1]
        shape, expression = basis[..., : params.shape.shape[-1]], basis[..., self.shape_columns : end]
        if subset is not None:
            shape, expression = shape[subset], expression[subset]
        return _combine_basis(shape, params.shape) + _combine_basis(expression, params.expression)


def skin_vertices(vertices: Tensor, joints: Tensor, rotations: Tensor, weights: Tensor) -> Tensor:
    """Linear blend skinning over the five joints of `PARENTS`.

    Args:
        vertices: (B, V, 3) unposed.
        joints: (B, 5, 3) unposed.
        rotations: (B, 5, 3, 3) of each joint relative to its parent.
        weights: (V, 5).

    Returns:
        (B, V, 3) posed.
    """
    rotation, translation = _chain_joints(joints, rotations)
    blended = torch.einsum("vj,bjkl->bvkl", weights, torch.cat([rotation, translation[..., None]], -1))
    # a product of 3x3 matrices and vectors as sums: batched matrix products of this size mostly copy
    return (blended[..., :3] * vertices[..., None, :]).sum(-1) + blended[..., 3]


def _joint_rotations(params: FaceParams) -> Tensor:
    """(B, 5, 3, 3) rotation of each joint relative to its parent."""
    pose = torch.cat([params.global_pose, params.neck_pose, params.jaw_pose, params.eye_pose], -1)
    return axis_angle_to_matrix(pose.reshape(-1, 5, 3))


def _chain_joints(joints: Tensor, rotations: Tensor) -> tuple[Tensor, Tensor]:
    """Rotations (B, 5, 3, 3) and translations (B, 5, 3) by which each joint moves a point of the unposed face."""
    turned, origin = [rotations[:, 0]], [joints[:, 0]]
    for joint, parent in enumerate(PARENTS[1:], 1):
        bone = (joints[:, joint] - joints[:, parent])[..., None]
        origin.append(origin[parent] + (turned[parent] @ bone)[..., 0])
        turned.append(turned[parent] @ rotations[:, joint])
    rotation = torch.stack(turned, 1)
    return rotation, torch.stack(origin, 1) - (rotation @ joints[..., None])[..., 0]


def _combine_basis(basis: Tensor, coefficients: Tensor) -> Tensor:
    """(B, N, 3) displacements of a (N, 3, C) basis with (B, C) coefficients."""
    return (coefficients @ basis.flatten(0, 1).mT).reshape(coefficients.shape[0], -1, 3)
