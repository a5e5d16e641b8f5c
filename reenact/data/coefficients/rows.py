"""Rows of Deep3D's coefficients as face parameters of the pictures they belong to."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from reenact.errors import ReenactError
from reenact.faces.bfm import COEFFICIENTS, angles_to_matrix, crop_camera, split_coefficients
from reenact.faces.crop import Crop
from reenact.faces.params import FaceParams
from reenact.faces.rotation import matrix_to_axis_angle
from reenact.faces.template_crop import TemplateCrop

PLACE = 3
"""Numbers of a row's crop: scale, and the place x, y of its centre."""
MOST_SCALE = 100.0
"""Scale of a crop above which the numbers are no scale."""


def build_params(coefficients: NDArray[Any], places: NDArray[Any], height: int, width: int, subject: str) -> FaceParams:
    """Face parameters of T pictures; cameras belong to the square around the whole picture.

    Args:
        coefficients: (T, 257) in the order of `split_coefficients`.
        places: (T, 3) crops, `transform_params[2:]` of Deep3D.
        height: of the pictures.
        width: of the pictures.
        subject: name of the file or entry in messages.

    Raises:
        ReenactError: if the numbers have another length or order, or are none.
    """
    _check_rows(coefficients, places, height, width, subject)
    codes = split_coefficients(torch.from_numpy(np.ascontiguousarray(coefficients, np.float32)))
    crops = [TemplateCrop.at(float(scale), float(x), float(y), height, width) for scale, x, y in places]
    cameras = [
        crop.carry_camera(camera, Crop.whole(height, width))
        for crop, camera in zip(crops, crop_camera(codes["translation"]), strict=True)
    ]
    zeros = codes["shape"].new_zeros
    return FaceParams(
        shape=codes["shape"],
        expression=codes["expression"],
        global_pose=matrix_to_axis_angle(angles_to_matrix(codes["angles"].double())).float(),
        neck_pose=zeros(len(crops), 3),
        jaw_pose=zeros(len(crops), 3),
        eye_pose=zeros(len(crops), 6),
        camera=torch.stack(cameras),
        texture=codes["texture"],
        light=codes["light"],
    )


def _check_rows(coefficients: NDArray[Any], places: NDArray[Any], height: int, width: int, subject: str) -> None:
    if coefficients.ndim != 2 or coefficients.shape[1] != COEFFICIENTS or not len(coefficients):
        raise ReenactError(
            f"{subject} has coefficients of shape {coefficients.shape}, not (frames, {COEFFICIENTS}): estimate them"
            " with Deep3DFaceRecon_pytorch"
        )
    if places.shape != (len(coefficients), PLACE):
        raise ReenactError(
            f"{subject} has crops of shape {places.shape}, not {(len(coefficients), PLACE)}; prepare it again"
        )
    if not (np.isfinite(coefficients).all() and np.isfinite(places).all()):
        raise ReenactError(f"{subject} is damaged: it holds numbers that are none; prepare it again")
    angles, (scale, x, y) = coefficients[:, 224:227], places.T
    reach = (np.abs(x - width / 2) < width) & (np.abs(y - height / 2) < height)
    if np.abs(angles).max() > math.pi or not (reach & (scale * min(height, width) >= 1) & (scale < MOST_SCALE)).all():
        raise ReenactError(
            f"{subject} has coefficients in another order: 224 to 226 are no angles in radians, or 257 to 259 no scale"
            f" and place in a picture of {width}x{height}; prepare it again"
        )
