"""Cameras: from model space to normalised device coordinates (NDC), and from one crop's NDC to another's.

Convention: model space has x to the subject's left (image right), y up, z out of the face, in metres. NDC has x right,
y down, z away from the camera; [-1, 1] spans the square image edge to edge (`align_corners=False`). NDC exist for
square images alone; a frame that is not square has those of `Crop.whole`. Depth is monotonic and, on a triangle,
linear in screen space, so a rasteriser may interpolate it with screen barycentrics; no clipping happens here.

* orthographic `[s, tx, ty]` (DECA's): x = s (X + tx), y = -s (Y + ty), z = -s Z.
* perspective `[fx, fy, cx, cy, tx, ty, tz]`: with d = -(Z + tz), the distance in front of the camera,
  x = fx (X + tx) / d + cx, y = -fy (Y + ty) / d + cy, z = fx (1 + tz / d). Focal lengths and centre are in NDC units;
  two focal lengths, because Deep3D's alignment rounds width and height of the resized frame on their own. The origin
  of model space (d = -tz) gets z = 0 and the scale of x there.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from reenact.faces.crop import Crop
from reenact.faces.rotation import join_rigid

CameraType = Literal["orthographic", "perspective"]


def project(points: Tensor, camera: Tensor) -> Tensor:
    """Project (..., N, 3) model-space points with (..., 3) orthographic or (..., 7) perspective cameras to NDC.

    Returns:
        (..., N, 3); see the module's convention.

    Raises:
        ValueError: if the camera has neither 3 nor 7 entries.
    """
    if camera.shape[-1] == 3:
        return project_orthographic(points, camera)
    if camera.shape[-1] == 7:
        return project_perspective(points, camera)
    raise ValueError(f"a camera has 3 (orthographic) or 7 (perspective) entries, not {camera.shape[-1]}")


def project_orthographic(points: Tensor, camera: Tensor) -> Tensor:
    """`project` for cameras (..., 3) of scale and translation."""
    scale, shift = camera[..., None, :1], camera[..., None, 1:]
    x, y = (scale * (points[..., :2] + shift)).unbind(-1)
    return torch.stack([x, -y, -scale[..., 0] * points[..., 2]], -1)


def project_perspective(points: Tensor, camera: Tensor) -> Tensor:
    """`project` for cameras (..., 7) of focal lengths, centre and translation."""
    focal_x, focal_y, centre_x, centre_y, shift_x, shift_y, shift_z = camera[..., None, :].unbind(-1)
    distance = -(points[..., 2] + shift_z)
    x = focal_x * (points[..., 0] + shift_x) / distance + centre_x
    y = -focal_y * (points[..., 1] + shift_y) / distance + centre_y
    return torch.stack([x, y, focal_x * (1 + shift_z / distance)], -1)


def mirror_camera(camera: Tensor) -> Tensor:
    """The camera (..., C) that shows a mirrored head (x to -x) in the mirrored image."""
    signs = [1.0, -1.0, 1.0] if camera.shape[-1] == 3 else [1.0, 1.0, -1.0, 1.0, -1.0, 1.0, 1.0]
    return camera * camera.new_tensor(signs)


def cast_rays(camera: Tensor, size: int | tuple[int, int]) -> tuple[Tensor, Tensor]:
    """The ray in model space on which the points lie that each pixel of an image may show.

    Args:
        camera: (..., 3) orthographic or (..., 7) perspective.
        size: pixels: one number for a square, or (height, width).

    Returns:
        Origins and unit directions, (..., H, W, 3) in metres. Rays of a perspective camera begin at its centre;
        parallel ones on the plane z = 1, as far in front of the model's origin as Deep3D's camera.

    Raises:
        ValueError: if the camera has neither 3 nor 7 entries.
    """
    height, width = (size, size) if isinstance(size, int) else size
    x, y = ((2 * torch.arange(count, device=camera.device) + 1) / count - 1 for count in (width, height))
    picture = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1).to(camera)
    upright = camera.new_tensor([1.0, -1.0])
    entries = camera[..., None, None, :]
    shape = (*camera.shape[:-1], height, width)
    if camera.shape[-1] == 3:
        places = upright * picture / entries[..., :1] - entries[..., 1:]
        ahead = camera.new_tensor([0.0, 0.0, -1.0]).expand(*shape, 3)
        return torch.cat([places, places.new_ones(*shape, 1)], -1), ahead
    if camera.shape[-1] == 7:
        slopes = upright * (picture - entries[..., 2:4]) / entries[..., :2]
        directions = torch.cat([slopes, slopes.new_full((*shape, 1), -1.0)], -1)
        return -entries[..., 4:].expand(*shape, 3), F.normalize(directions, dim=-1)
    raise ValueError(f"a camera has 3 (orthographic) or 7 (perspective) entries, not {camera.shape[-1]}")


def place_camera(skull: Tensor, camera: Tensor) -> Tensor:
    """Pose (..., 4, 4) of a camera relative to the head: from the camera's axes to the unposed face.

    Convention: OpenCV's axes, x right in the image, y down, z forward. The centre of an orthographic camera is where
    `cast_rays` begins in the middle of the image.

    Args:
        skull: (..., 4, 4) `FaceModel.skull`.
        camera: (..., C) the camera of the same face; of a mirrored image, `mirror_camera` of it.
    """
    shift = (
        camera[..., 4:]
        if camera.shape[-1] == 7
        else torch.cat([camera[..., 1:], -torch.ones_like(camera[..., :1])], -1)
    )
    back = skull[..., :3, :3].mT
    centre = (back @ (-shift - skull[..., :3, 3])[..., None])[..., 0]
    return join_rigid(back * skull.new_tensor([1.0, -1.0, -1.0]), centre)


def measure_distance(projected: Tensor, camera: Tensor) -> Tensor:
    """Distance (..., N) in metres along the axis of perspective cameras (..., 7) to points (..., N, 3) in NDC."""
    focal, shift = camera[..., :1], camera[..., 6:]
    return focal * shift / (projected[..., 2] - focal)


def carry_camera(camera: Tensor, source: Crop, target: Crop) -> Tensor:
    """The camera (..., C) of another crop of the same frame: its NDC are the mapped ones, exactly.

    Depth scales with x, so the mesh keeps its proportions.

    Args:
        camera: (..., 3) or (..., 7), in the NDC of `source`.
        source: the crop that the camera belongs to.
        target: the crop that the result belongs to.
    """
    scale, shift_x, shift_y = source.ndc_to(target)
    if camera.shape[-1] == 3:
        size, x, y = camera.unbind(-1)
        return torch.stack([scale * size, x + shift_x / (scale * size), y - shift_y / (scale * size)], -1)
    focal, centre, rest = camera[..., :2], camera[..., 2:4], camera[..., 4:]
    return torch.cat([scale * focal, scale * centre + camera.new_tensor([shift_x, shift_y]), rest], -1)
