"""Pictures and depth by the pose of the face parameters: sources as the unposed head would be seen, depth of meshes."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from reenact.faces.camera import cast_rays, measure_distance
from reenact.faces.guidance import rasterize_face
from reenact.faces.model import FaceModel
from reenact.faces.params import FaceParams

FEATURES = slice(36, 68)
"""Landmarks of eyes and mouth (iBUG-68)."""
OUTER_CORNERS = 36, 45
"""Landmarks at the outer corners of the eyes."""
REACH = 0.08
"""Deviation of the weights about a landmark, in distances of the outer corners."""


def unpose_pictures(face_model: FaceModel, image: Tensor, params: FaceParams, box: float) -> Tensor:
    """Pictures (B, 3, S, S) of what pictures show of a plane through the face, which the head carries with it.

    The plane lies through the mean landmarks, parallel to the xy plane of the cube, and is as large as the cube: places
    of the result are those of the xy plane. Beyond the edges of the picture its border goes on.

    Args:
        face_model: the model of the parameters.
        image: (B, 3, S, S).
        params: (B) parameters of the faces.
        box: side of the cube in metres.
    """
    vertices, size = face_model.mean_vertices, image.shape[-1]
    middle, front = vertices.mean(0), face_model.landmarks68(vertices).mean(0)
    places = ((2 * torch.arange(size, device=image.device) + 1) / size - 1) * box / 2
    x, down = torch.meshgrid(places, places, indexing="xy")
    points = torch.stack([middle[0] + x, middle[1] - down, front[2].expand_as(x)], -1).flatten(0, 1)
    with torch.no_grad():
        skull = face_model.skull(params)
        posed = points @ skull[:, :3, :3].mT + skull[:, None, :3, 3]
        grid = face_model.project(posed, params.camera)[..., :2].reshape(-1, size, size, 2)
    return F.grid_sample(image, grid.to(image), padding_mode="border", align_corners=False)


def weigh_features(face_model: FaceModel, params: FaceParams, size: int) -> Tensor:
    """Weights (B, 1, S, S) in [0, 1] of pixels: 1 on a landmark of eyes or mouth, and less around it.

    Args:
        face_model: the model of the parameters.
        params: (B) parameters of the faces.
        size: S.
    """
    points = face_model.landmarks68(face_model.posed(params))[..., :2]
    reach = REACH * (points[:, OUTER_CORNERS[0]] - points[:, OUTER_CORNERS[1]]).norm(dim=-1)
    places = (2 * torch.arange(size, device=points.device) + 1) / size - 1
    across, down = ((points[:, FEATURES, axis, None] - places).square() for axis in (0, 1))
    nearest = (across[:, :, None, :] + down[:, :, :, None]).amin(1, keepdim=True)
    return torch.exp(-nearest / (2 * reach.square()[:, None, None, None]))


def measure_ray_depth(points: Tensor, camera: Tensor) -> Tensor:
    """Length (B, N) in metres of the rays of `cast_rays` up to points (B, N, 3) in model space.

    Args:
        points: posed, before the camera.
        camera: (B, 3 or 7).
    """
    if camera.shape[-1] == 3:
        return 1 - points[..., 2]
    lengths: Tensor = torch.linalg.vector_norm(points + camera[:, None, 4:], dim=-1)
    return lengths


def draw_ray_depth(face_model: FaceModel, params: FaceParams, size: int) -> tuple[Tensor, Tensor]:
    """Depth (B, 1, S, S) in metres at which the rays of `cast_rays` meet the mesh, and where they do, as a mask.

    Args:
        face_model: the model of the parameters.
        params: (B) parameters of the faces.
        size: S.
    """
    posed = face_model.posed(params)
    if face_model.camera_type == "orthographic":
        ahead = 1 + posed[..., 2] / params.camera[:, :1]
    else:
        ahead = measure_distance(posed, params.camera)
    face = rasterize_face(posed, face_model.faces, size)
    drawn = face.draw(torch.stack([ahead, torch.ones_like(ahead)], -1))
    _, directions = cast_rays(params.camera, size)
    depth = drawn[:, :1] / -directions[..., 2].unsqueeze(1)
    return depth, drawn[:, 1:] > 0.5
