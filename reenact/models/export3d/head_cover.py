"""The space about the mesh of a head that its hair and ears may take, and the picture without what lies there."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from reenact.faces.guidance import rasterize_face
from reenact.faces.model import FaceModel
from reenact.faces.params import FaceParams

JAW_MARGIN = 0.015
"""Metres about the mesh at the chin and below."""
HAIR_MARGIN = 0.035
"""Metres about it at the height of the eyes and above, where hair is."""
POWER = 2
"""Sharpness of the border between head and background."""
CHIN = 8
"""Landmark of the chin (iBUG-68)."""
EYES = slice(36, 48)
"""Landmarks of the eyes."""


def measure_margins(face_model: FaceModel) -> Tensor:
    """Metres (V) about each vertex in which the head may lie."""
    vertices = face_model.mean_vertices
    places = face_model.landmarks68(vertices)
    chin, eyes = places[CHIN, 1], places[EYES, 1].mean()
    share = ((vertices[:, 1] - chin) / (eyes - chin)).clamp(0, 1)
    return torch.lerp(torch.full_like(share, JAW_MARGIN), torch.full_like(share, HAIR_MARGIN), share)


def draw_cover(face_model: FaceModel, params: FaceParams, size: int, neck: bool = False) -> Tensor:
    """Draw the head above the chin with its margins as a mask (B, 1, S, S) of 0 and 1.

    Args:
        face_model: the model of the parameters.
        params: (B) parameters of the faces, of pictures that are not mirrored.
        size: S.
        neck: draw what is below the chin as well.
    """
    mean = face_model.mean_vertices
    above = mean[:, 1] > face_model.landmarks68(mean)[CHIN, 1]
    with torch.no_grad():
        skull, vertices = face_model.skull(params), face_model.vertices(params)
        middle = skull[:, None, :3, :3] @ mean[above].mean(0)[:, None] + skull[:, None, :3, 3:]
        away = F.normalize(vertices - middle.squeeze(-1), dim=-1)
        widened = vertices + measure_margins(face_model)[:, None] * away
        posed = face_model.project(widened, params.camera)
        faces = face_model.faces if neck else face_model.faces[above[face_model.faces].all(1)]
        cover = rasterize_face(posed, faces, size, cull_backfaces=False).draw(torch.ones_like(posed[..., :1]))
    return (cover > 0.5).to(posed)


def remove_head(image: Tensor, mask: Tensor, cover: Tensor) -> Tensor:
    """Pictures (B, C, S, S) without the head, whose place is filled in from around it.

    Between the mesh and the end of its margins a pixel belongs to the head as far as its colour is nearer to that of
    the head around it than to that of the background around it.

    Args:
        image: (B, C, S, S).
        mask: (B, 1, S, S) of the mesh.
        cover: (B, 1, S, S) of `draw_cover`.
    """
    behind, head = fill_pixels(image, 1 - cover), fill_pixels(image, mask * cover)
    to_behind, to_head = ((image - other).square().sum(1, keepdim=True) + 1e-4 for other in (behind, head))
    likeness = to_behind**POWER / (to_behind**POWER + to_head**POWER)
    # Pixels of the border have a part of the head.
    matte = cover * F.max_pool2d(torch.maximum(mask, likeness), 3, 1, 1)
    return torch.lerp(image, behind, matte)


def fill_pixels(image: Tensor, share: Tensor) -> Tensor:
    """Pictures (B, C, S, S) whose unknown pixels have the colours of known ones around them, from coarse to fine.

    Args:
        image: (B, C, S, S).
        share: (B, 1, S, S) part of each pixel that is known, in [0, 1].
    """
    if image.shape[-1] % 2:  # the coarsest pictures
        mean = (share * image).mean((2, 3), True) / share.mean((2, 3), True).clamp_min(1e-6)
        return share * image + (1 - share) * mean
    coarse_share = F.avg_pool2d(share, 2)
    coarse = fill_pixels(F.avg_pool2d(share * image, 2) / coarse_share.clamp_min(1e-6), (4 * coarse_share).clamp_max(1))
    around = F.interpolate(coarse, scale_factor=2, mode="bilinear", align_corners=False)
    return share * image + (1 - share) * around
