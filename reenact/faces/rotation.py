"""Rotations of the face model: axis-angle vectors, matrices, and the Euler angles people edit.

Convention: right-handed, radians, matrices act on column vectors (`R @ x`), in the face model's space (x to the
subject's left, y up, z out of the face). Every function is differentiable, also at the zero rotation, and works over
any leading dimensions.
"""

from __future__ import annotations

import torch
from torch import Tensor


def axis_angle_to_matrix(axis_angle: Tensor) -> Tensor:
    """Convert axis-angle vectors (..., 3) to rotation matrices (..., 3, 3) by Rodrigues' formula.

    DECA (`decalib/models/lbs.py`, `batch_rodrigues`) takes the angle as the norm of the vector plus 1e-8; this one is
    the exact limit at zero instead, and the two agree to 1e-8.

    Args:
        axis_angle: (..., 3) radians.

    Returns:
        (..., 3, 3) rotation matrices.
    """
    angle = torch.linalg.vector_norm(axis_angle, dim=-1)[..., None, None]
    cross = cross_matrix(axis_angle)
    sine = torch.sinc(angle / torch.pi)
    cosine = 0.5 * torch.sinc(angle / (2 * torch.pi)) ** 2
    identity = torch.eye(3, dtype=axis_angle.dtype, device=axis_angle.device)
    return identity + sine * cross + cosine * (cross @ cross)


def join_rigid(rotation: Tensor, translation: Tensor) -> Tensor:
    """Rigid motions (..., 4, 4) for homogeneous column vectors, of rotations (..., 3, 3) and translations (..., 3)."""
    last = rotation.new_tensor([0.0, 0.0, 0.0, 1.0]).expand(*rotation.shape[:-2], 1, 4)
    return torch.cat([torch.cat([rotation, translation[..., None]], -1), last], -2)


def cross_matrix(vector: Tensor) -> Tensor:
    """(..., 3, 3) matrices K of (..., 3) vectors v, so that K @ x is the cross product of v and x."""
    x, y, z = vector.unbind(-1)
    zero = torch.zeros_like(x)
    return torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(*vector.shape[:-1], 3, 3)


def matrix_to_axis_angle(matrix: Tensor) -> Tensor:
    """The axis-angle vector of angle at most pi.

    Goes through the unit quaternion, whose largest component is computed first, so it is exact near 0 and near pi.

    Args:
        matrix: (..., 3, 3) rotation matrices.

    Returns:
        (..., 3) radians.
    """
    quaternion = _matrix_to_quaternion(matrix)
    real, imaginary = quaternion[..., :1], quaternion[..., 1:]
    sign = torch.where(real < 0, -1.0, 1.0)
    real, imaginary = sign * real, sign * imaginary
    squared = imaginary.square().sum(-1, keepdim=True)
    tiny = squared < torch.finfo(matrix.dtype).eps ** 2
    length = torch.where(tiny, 1.0, squared).sqrt()
    # 2 atan2(sin, cos) / sin tends to 2 at the identity
    factor = torch.where(tiny, 2.0 / real, 2.0 * torch.atan2(length, real) / length)
    return factor * imaginary


def _matrix_to_quaternion(matrix: Tensor) -> Tensor:
    """Unit quaternions (..., 4), real part first, of (..., 3, 3) matrices; the sign is arbitrary."""
    m = matrix
    xx, yy, zz = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
    squares = torch.stack([1 + xx + yy + zz, 1 + xx - yy - zz, 1 - xx + yy - zz, 1 - xx - yy + zz], -1)
    wx, wy, wz = m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]
    xy, xz, yz = m[..., 0, 1] + m[..., 1, 0], m[..., 0, 2] + m[..., 2, 0], m[..., 1, 2] + m[..., 2, 1]
    # row k is 4 q_k q; its own entry is the square, so the row of the largest square divides by nothing small
    w_row, x_row = torch.stack([squares[..., 0], wx, wy, wz], -1), torch.stack([wx, squares[..., 1], xy, xz], -1)
    y_row, z_row = torch.stack([wy, xy, squares[..., 2], yz], -1), torch.stack([wz, xz, yz, squares[..., 3]], -1)
    largest = squares.argmax(-1)[..., None, None].expand(*squares.shape[:-1], 1, 4)
    row = torch.stack([w_row, x_row, y_row, z_row], -2).gather(-2, largest).squeeze(-2)
    unit: Tensor = row / torch.linalg.vector_norm(row, dim=-1, keepdim=True)
    return unit


def euler_to_matrix(angles: Tensor) -> Tensor:
    """Matrices of yaw, pitch, roll.

    The extrinsic order is y, x, z (scipy's 'yxz', as in GDPW's `face_edit_demo.py`): the head turns about y first,
    then about the fixed x, then about the fixed z, so R = Rz(roll) Rx(pitch) Ry(yaw).

    Args:
        angles: (..., 3) yaw, pitch, roll in radians. Positive yaw turns the face to the subject's left (image right),
            positive pitch bends it down, positive roll tilts it counter-clockwise in the image.

    Returns:
        (..., 3, 3) rotation matrices.
    """
    axes = torch.eye(3, dtype=angles.dtype, device=angles.device)
    yaw, pitch, roll = (axis_angle_to_matrix(angles[..., i, None] * axes[k]) for i, k in enumerate((1, 0, 2)))
    return roll @ pitch @ yaw


def matrix_to_euler(matrix: Tensor) -> Tensor:
    """Yaw, pitch, roll of `euler_to_matrix`; pitch lies within a quarter turn.

    At a pitch of exactly a quarter turn yaw and roll are one rotation and only their sum or difference is right.

    Args:
        matrix: (..., 3, 3) rotation matrices.

    Returns:
        (..., 3) radians.
    """
    yaw = torch.atan2(-matrix[..., 2, 0], matrix[..., 2, 2])
    pitch = torch.atan2(matrix[..., 2, 1], torch.hypot(matrix[..., 2, 0], matrix[..., 2, 2]))
    roll = torch.atan2(-matrix[..., 0, 1], matrix[..., 1, 1])
    return torch.stack([yaw, pitch, roll], -1)


def euler_to_axis_angle(angles: Tensor) -> Tensor:
    """Axis-angle vectors (..., 3) of yaw, pitch, roll (..., 3), all in radians; see `euler_to_matrix`."""
    return matrix_to_axis_angle(euler_to_matrix(angles))


def axis_angle_to_euler(axis_angle: Tensor) -> Tensor:
    """Yaw, pitch, roll (..., 3) of axis-angle vectors (..., 3), all in radians; see `euler_to_matrix`."""
    return matrix_to_euler(axis_angle_to_matrix(axis_angle))


def rotation_angle(first: Tensor, second: Tensor) -> Tensor:
    """Angle (...) in degrees between rotations (..., 3, 3); as exact for small angles as for large ones."""
    chord = torch.linalg.matrix_norm(first - second) / 8**0.5
    return torch.rad2deg(2 * torch.asin(chord.clamp(max=1)))
