"""Guidance maps of a posed face: depth, normals, render and landmarks (section 3.2 of the paper, and its code).

The released code draws the whole mesh from both sides, the nearest triangle at each pixel. Depth spans 0 to 1 over all
vertices of its frame, nearest 1. Normals are those of the model's space; what points left, down or away is 0, since the
code saves them as they are. The render is albedo times the light that arrives at the interpolated normals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from reenact.errors import ReenactError
from reenact.faces.contents import APPEARANCE_SOURCE
from reenact.faces.guidance import FaceRaster, depth_map, landmark_map, normal_map, rasterize_face
from reenact.faces.model import FaceModel
from reenact.faces.params import FaceParams
from reenact.models.common.retarget import align_leading
from reenact.models.magicportrait.config import MapKind


@torch.no_grad()  # meshes are data
def draw_maps(face_model: FaceModel, params: FaceParams, size: int, kinds: Sequence[MapKind]) -> dict[str, Tensor]:
    """Draw maps (N, 3, S, S) in [0, 1] of faces, by their names.

    Args:
        face_model: the model of the parameters.
        params: (N) face parameters; a render needs texture and light.
        size: pixels of the square.
        kinds: maps to draw.

    Raises:
        ReenactError: if a render is asked for and texture or light is missing.
    """
    vertices = face_model.posed(params)
    maps: dict[str, Tensor] = {}
    if set(kinds) - {"landmarks"}:
        face = rasterize_face(vertices, face_model.faces, size, camera=params.camera, cull_backfaces=False)
    for kind in kinds:
        if kind == "depth":
            image = depth_map(face)
        elif kind == "normal":
            image = normal_map(face, face_model.normals(params))
        elif kind == "render":
            image = render_map(face_model, face, params)
        else:
            image = landmark_map(face_model.landmarks68(vertices)[..., :2], size)
        maps[kind] = image.clamp(0, 1).expand(-1, 3, -1, -1)
    return maps


def render_map(face_model: FaceModel, face: FaceRaster, params: FaceParams) -> Tensor:
    """Draw the lit face (N, 3, H, W), not clipped: the light is that of each pixel's interpolated normal.

    Raises:
        ReenactError: if texture or light is missing.
    """
    if params.texture is None or params.light is None:
        absent = "texture" if params.texture is None else "light"
        raise ReenactError(
            f"MagicPortrait with a render needs {absent} of every face: {APPEARANCE_SOURCE}; or leave the render out"
            " (--model.network.guidance.maps [depth,normal])"
        )
    normals = face_model.normals(params)
    reflectance = face_model.reflectance(params.texture)
    if params.mirrored is not None:  # the light is that of the picture before it was mirrored
        signs = normals.new_tensor([-1.0, 1.0, 1.0])
        mirrored = params.mirrored[:, None, None]
        normals = torch.where(mirrored, normals * signs, normals)
        reflectance = torch.where(mirrored, reflectance[:, face_model.flip_permutation], reflectance)
    albedo, directions = (face.draw(values).flatten(2).mT for values in (reflectance, normals))
    colours = face_model.light_convention.shade_albedo(albedo, directions, params.light)
    image = colours.mT.reshape(len(colours), 3, *face.fragments.depth.shape[1:])
    masked: Tensor = image * face.fragments.covered[:, None]
    return masked


def align_structure(source: FaceParams, driving: FaceParams) -> FaceParams:
    """Give driving faces (B or B, T) the texture and light of the source (1 or B).

    Equation (4) of the paper also takes the source's shape and camera, which `retarget` decides: a picture of the same
    clip has its own.
    """
    source = align_leading(source, driving)

    def repeat(value: Tensor | None) -> Tensor | None:
        return None if value is None else value.expand(*driving.leading, *value.shape[len(driving.leading) :])

    return replace(driving, texture=repeat(source.texture), light=repeat(source.light))
