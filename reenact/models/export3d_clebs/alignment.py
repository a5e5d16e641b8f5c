"""Faces cut out of pictures, upright, of one size and with the nose in the middle, as in the paper's data."""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from reenact.faces.model import FaceModel
from reenact.faces.params import FaceParams

NOSE = 33
"""Landmark below the nose (iBUG-68), the middle of the square."""
REACH = 0.085
"""Half of the square's side in metres of the face: from above the brows to below an open jaw."""
STEP = 0.01
"""Metres over which the size of the face in the picture is measured."""


def align_faces(face_model: FaceModel, image: Tensor, params: FaceParams, side: int) -> Tensor:
    """Cut squares (N, 3, side, side) around the faces of pictures.

    Pose and camera place the square, the expression does not: a face without expression is looked at, so that the place
    of the square tells nothing of it.

    Args:
        face_model: the model of the parameters.
        image: (N, 3, H, W).
        params: (N) parameters of the faces.
        side: pixels of a square.
    """
    with torch.no_grad():
        sampling = locate_faces(face_model, params)
    grid = F.affine_grid(sampling.to(image), [len(image), 3, side, side], align_corners=False)
    return F.grid_sample(image, grid, padding_mode="border", align_corners=False)


def locate_faces(face_model: FaceModel, params: FaceParams) -> Tensor:
    """Maps (N, 2, 3) from a square, [-1, 1] from edge to edge, to normalised device coordinates of the picture."""
    resting = {name: torch.zeros_like(getattr(params, name)) for name in ("expression", "jaw_pose", "eye_pose")}
    neutral = replace(params, **resting)
    corners = face_model.vertices(neutral, face_model.landmark_vertices[NOSE])
    nose = (corners * face_model.landmark_weights[NOSE][:, None]).sum(-2, keepdim=True)
    beside = nose + nose.new_tensor([STEP, 0, 0])
    placed = face_model.project(torch.cat([nose, beside], -2), params.camera)[..., :2]
    centre, reach = placed[..., 0, :], (placed[..., 1, :] - placed[..., 0, :]).norm(dim=-1) * (REACH / STEP)
    up = face_model.skull(params)[..., :2, 1]
    across, upwards = (up / up.norm(dim=-1, keepdim=True).clamp_min(1e-6)).unbind(-1)
    right, down = torch.stack([upwards, across], -1), torch.stack([-across, upwards], -1)
    return torch.stack([right * reach[..., None], down * reach[..., None], centre], -1)
