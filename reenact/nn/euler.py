"""Head angles as Hopenet gives them, and the rotations that Face-vid2vid and MMFA make of them.

Convention: degrees; `R = Rx(pitch) Ry(yaw) Rz(roll)` on columns, p' = R p, in the coordinates of keypoints (x right, y
down, z depth index); no sign is changed (`get_rotation_matrix` of Face-vid2vid's reimplementation). Its first release
composed `Rx(roll) Ry(pitch) Rz(yaw)`, and the weights of that time read so. LivePortrait multiplies rows,
p' = p R with `R = (Rz(roll) Ry(yaw) Rx(pitch))^T`, and counts its bins from half a bin further on.
"""

from __future__ import annotations

import math
from typing import Final, Literal

import torch
from torch import Tensor

from reenact.nn.keypoints import multiply_matrices

Composition = Literal["pitch-yaw-roll", "roll-pitch-yaw"]
"""Order of the rotations about x, y and z: `Rx(pitch) Ry(yaw) Rz(roll)`, or that of the first release."""
AnyComposition = Literal[Composition, "rows"]
"""A `Composition`, or LivePortrait's `rows`: `(Rz(roll) Ry(yaw) Rx(pitch))^T`."""
BINS: Final = 66
"""Bins of 3 degrees."""
FIRST_BIN: Final = -99.0
"""Degrees of the first bin."""


def angle_of(logits: Tensor, first_bin: float = FIRST_BIN) -> Tensor:
    """Expected degrees (B,) of logits (B, 66) over bins."""
    index = torch.arange(BINS, device=logits.device, dtype=torch.float32)
    return (torch.softmax(logits.float(), dim=1) * index).sum(1) * 3 + first_bin


def rotation_of(degrees: Tensor, composition: AnyComposition = "pitch-yaw-roll") -> Tensor:
    """Rotations (..., 3, 3) of yaw, pitch and roll (..., 3)."""
    if composition == "rows":
        return rotation_of(-degrees)
    yaw, pitch, roll = (degrees * (math.pi / 180)).unbind(-1)
    if composition == "roll-pitch-yaw":
        pitch, yaw, roll = roll, pitch, yaw
    zero, one = torch.zeros_like(yaw), torch.ones_like(yaw)

    def matrix(*rows: Tensor) -> Tensor:
        return torch.stack(rows, dim=-1).view(*yaw.shape, 3, 3)

    x = matrix(one, zero, zero, zero, pitch.cos(), -pitch.sin(), zero, pitch.sin(), pitch.cos())
    y = matrix(yaw.cos(), zero, yaw.sin(), zero, one, zero, -yaw.sin(), zero, yaw.cos())
    z = matrix(roll.cos(), -roll.sin(), zero, roll.sin(), roll.cos(), zero, zero, zero, one)
    return multiply_matrices(multiply_matrices(x, y), z)


def angles_of(rotation: Tensor, composition: AnyComposition = "pitch-yaw-roll") -> Tensor:
    """Yaw, pitch and roll (..., 3) in degrees of rotations (..., 3, 3), for angles about y within 90 degrees."""
    if composition == "rows":
        return -angles_of(rotation)
    yaw = torch.asin(rotation[..., 0, 2].clamp(-1, 1))
    pitch = torch.atan2(-rotation[..., 1, 2], rotation[..., 2, 2])
    roll = torch.atan2(-rotation[..., 0, 1], rotation[..., 0, 0])
    if composition == "roll-pitch-yaw":
        roll, pitch, yaw = pitch, yaw, roll
    return torch.stack((yaw, pitch, roll), dim=-1) * (180 / math.pi)
