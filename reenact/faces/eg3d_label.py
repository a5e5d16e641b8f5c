"""EG3D's camera label of 25 numbers, from Basel Face Models.

Source: `dataset_preprocessing/ffhq`, `3dface2idr_mat.py` and `preprocess_face_cameras.py`. Convention: the pose from
OpenCV's camera axes to the head's space, 4 x 4 by rows, then the intrinsics 3 x 3 by rows, in units of the image's
side. The head's space has x right, y up, z towards a frontal camera; 0.27 of its units are one of Deep3D's decimetres.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from reenact.faces.camera import place_camera

Pivot = Literal["origin", "head"]
"""Point at whose distance of 2.7 the camera is put: the space's origin (`orig` of the official script), or a point
inside the head (`cor`)."""

UNITS_PER_METRE = 2.7
OFFSET = (0.0, 0.006, 0.161)
"""Place of Deep3D's origin in EG3D's space."""
RADIUS = 2.7
FOCAL = 2985.29 / 700
"""Focal length of EG3D's crop of 700 pixels, in units of its side."""
PIVOTS: dict[Pivot, tuple[float, float, float]] = {"origin": (0.0, 0.0, 0.0), "head": (0.0, 0.0, 0.175)}


def build_eg3d_label(skull: Tensor, camera: Tensor, pivot: Pivot = "origin") -> Tensor:
    """Build the label (..., 25) of faces with perspective cameras.

    The camera moves along its line to the pivot until it is 2.7 units away, which leaves the size of the face to the
    crop; focal length and centre are those of EG3D's crop.

    Args:
        skull: (..., 4, 4) `FaceModel.skull` of a Basel Face Model.
        camera: (..., 7) its camera; of a mirrored image, `mirror_camera` of it.
        pivot: `origin` or `head`.

    Raises:
        ValueError: if the camera is orthographic.
    """
    if camera.shape[-1] != 7:
        raise ValueError(f"EG3D's label needs perspective cameras of 7 entries, not {camera.shape[-1]}")
    pose = place_camera(skull, camera)
    middle = pose.new_tensor(PIVOTS[pivot])
    centre = UNITS_PER_METRE * pose[..., :3, 3] + pose.new_tensor(OFFSET) - middle
    pose[..., :3, 3] = RADIUS * centre / torch.linalg.vector_norm(centre, dim=-1, keepdim=True) + middle
    intrinsics = pose.new_tensor([FOCAL, 0, 0.5, 0, FOCAL, 0.5, 0, 0, 1])
    return torch.cat([pose.flatten(-2), intrinsics.expand(*pose.shape[:-2], 9)], -1)
