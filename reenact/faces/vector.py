"""Face parameters as one vector: all of them, or the motion alone, for networks that read them at once."""

from __future__ import annotations

import torch
from torch import Tensor

from reenact.errors import ReenactError
from reenact.faces.bfm import DISTANCE, FOCAL, METRES, matrix_to_angles
from reenact.faces.model import FaceModel
from reenact.faces.params import FaceParams
from reenact.faces.rotation import axis_angle_to_matrix, matrix_to_axis_angle

CROP_SIDE = 224
"""Side in pixels of Deep3D's aligned crop."""
SIDE = 256
"""Side in pixels of the images whose crops PIRenderer's coefficients tell."""


class ParameterVector:
    """The layout: shape, expression, jaw, eyes, and the orthographic camera as (log s, s tx, s ty).

    The rotation of the head is kept apart, as a matrix: root and neck together.

    Args:
        num_shape: Identity coefficients of the face model.
        num_expression: Its expression coefficients.
    """

    def __init__(self, num_shape: int, num_expression: int) -> None:
        edges = [0]
        for size in (num_shape, num_expression, 3, 6, 3):
            edges.append(edges[-1] + size)
        self.shape, self.expression, self.jaw, self.eyes, self.camera = map(slice, edges, edges[1:])
        self._length = edges[-1]

    def __len__(self) -> int:
        """Number of coefficients."""
        return self._length

    def of(self, params: FaceParams) -> Tensor:
        """(..., N) vectors of face parameters with orthographic cameras.

        Raises:
            ReenactError: if a part has another length than in the layout.
        """
        parts = {"shape": params.shape, "expression": params.expression, "camera": params.camera}
        for name, value in parts.items():
            place = getattr(self, name)
            _check_length(name, value, place.stop - place.start)
        camera = _orthographic_entries(params.camera)
        return torch.cat((params.shape, params.expression, params.jaw_pose, params.eye_pose, camera), -1)

    def to_params(self, vector: Tensor, rotation: Tensor) -> FaceParams:
        """Face parameters of (..., N) vectors and (..., 3, 3) head rotations; the neck is straight."""
        turn = matrix_to_axis_angle(rotation)
        camera = vector[..., self.camera]
        scale = camera[..., :1].exp()
        return FaceParams(
            shape=vector[..., self.shape],
            expression=vector[..., self.expression],
            global_pose=turn,
            neck_pose=torch.zeros_like(turn),
            jaw_pose=vector[..., self.jaw],
            eye_pose=vector[..., self.eyes],
            camera=torch.cat([scale, camera[..., 1:] / scale], -1),
        )


class MotionVector:
    """The layout of motion alone: expression, angles of everything that turns, camera.

    Angles are radians about x, y and z (`bfm.angles_to_matrix`), three for each joint of `FaceModel.rotations`. The
    camera is (log s, s tx, s ty) if it is orthographic. If it is perspective it is the translation in decimetres, then
    the crop: pixels of the aligned crop for each of the image, and the place in the image, x right and y up, of the
    crop's centre (`transform_params[2:]` of Deep3D). So the Basel Face Model's vector has PIRenderer's 73 coefficients
    in their order, for images of 256 pixels, as its data are; the official crop's scale is rounded otherwise, by less
    than half a per cent.

    Args:
        face_model: the model of the parameters.
        crop: keep the crop of a perspective camera; without it the Basel Face Model's vector has the 70 coefficients
            of expression, angles and translation.
    """

    def __init__(self, face_model: FaceModel, *, crop: bool = True) -> None:
        self._rotations = face_model.rotations
        self._entries = 3 if face_model.camera_type == "orthographic" else 7
        angles = sum(6 if name == "eye_pose" else 3 for name in self._rotations)
        edges = [0]
        for size in (face_model.num_expression, angles, 6 if self._entries == 7 and crop else 3):
            edges.append(edges[-1] + size)
        self.expression, self.angles, self.camera = map(slice, edges, edges[1:])
        self._length = edges[-1]

    def __len__(self) -> int:
        """Number of coefficients."""
        return self._length

    def of(self, params: FaceParams) -> Tensor:
        """(..., N) vectors of face parameters.

        Raises:
            ReenactError: if expression or camera have another length than in the layout.
        """
        _check_length("expression", params.expression, self.expression.stop)
        _check_length("camera", params.camera, self._entries)
        turns = torch.cat([getattr(params, name) for name in self._rotations], -1)
        joints = turns.reshape(*turns.shape[:-1], -1, 3)
        angles = matrix_to_angles(axis_angle_to_matrix(joints)).flatten(-2)
        entries = _orthographic_entries if self._entries == 3 else _perspective_entries
        camera = entries(params.camera)[..., : self.camera.stop - self.camera.start]
        return torch.cat((params.expression, angles, camera), -1)


def _check_length(name: str, value: Tensor, length: int) -> None:
    if value.shape[-1] != length:
        raise ReenactError(
            f"The face parameters have {value.shape[-1]} {name} values where {length} are read: "
            "prepare them with the face model of the network"
        )


def _orthographic_entries(camera: Tensor) -> Tensor:
    """(log s, s tx, s ty) of cameras (..., 3)."""
    scale, shift = camera[..., :1], camera[..., 1:]
    return torch.cat((scale.log(), scale * shift), -1)


def _perspective_entries(camera: Tensor) -> Tensor:
    """Translation in decimetres and crop, (..., 6), of cameras (..., 7) of images of `SIDE` pixels."""
    shift = camera[..., 4:] + camera.new_tensor([0.0, 0.0, DISTANCE])
    scale = FOCAL * CROP_SIDE / SIDE / camera[..., :2].mean(-1, keepdim=True)
    place = SIDE / 2 * (1 + camera[..., 2:4] * camera.new_tensor([1.0, -1.0]))
    return torch.cat((shift / METRES, scale, place), -1)


def head_rotation(params: FaceParams) -> Tensor:
    """(..., 3, 3) rotation of the head as a whole: the root joint's and the neck's."""
    return axis_angle_to_matrix(params.global_pose) @ axis_angle_to_matrix(params.neck_pose)
