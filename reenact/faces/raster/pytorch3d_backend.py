"""PyTorch3D's rasteriser (Ravi et al. 2020) as a backend, where that package is installed.

Convention: PyTorch3D has x left, y up, z away; the image's shorter side spans [-1, 1] and the longer one as much more
as it is longer; faces with negative z are dropped. Vertices are converted on the way in, depth on the way out. Its
coverage of pixel centres that lie on an edge, and of faces thinner than its epsilon, may differ from ours.
"""

from __future__ import annotations

import torch
from torch import Tensor

from reenact.errors import ReenactError
from reenact.faces.raster.torch_reference import drop_backfaces, interpolate_surface, pixel_points


def to_pytorch3d(vertices: Tensor, height: int, width: int) -> Tensor:
    """Vertices (B, V, 3) from our normalised device coordinates to PyTorch3D's, moved to depths of at least 1."""
    shorter = min(height, width)
    flat = vertices[..., :2] * vertices.new_tensor([-width / shorter, -height / shorter])
    z = vertices[..., 2:]
    nearest = torch.where(z.isfinite(), z, torch.inf).amin(dim=1, keepdim=True)
    return torch.cat([flat, z - nearest + 1], dim=-1)


def rasterize(
    vertices: Tensor, faces: Tensor, height: int, width: int, cull_backfaces: bool, dtype: torch.dtype
) -> tuple[Tensor, Tensor, Tensor]:
    """Face index (B, H, W), barycentric (B, H, W, 3) and depth (B, H, W), both `dtype`, of vertices (B, V, 3).

    Raises:
        ReenactError: where PyTorch3D isn't installed.
    """
    try:
        from pytorch3d.renderer.mesh.rasterize_meshes import rasterize_meshes
        from pytorch3d.structures import Meshes
    except ImportError as error:
        raise ReenactError(
            "the rasteriser 'pytorch3d' needs the package pytorch3d, which has no wheel for this Python;"
            " build it from github.com/facebookresearch/pytorch3d or choose 'auto'"
        ) from error
    points = pixel_points(vertices, height, width)
    shape = (len(vertices), height, width)
    if not len(faces) or not len(vertices):
        index = torch.full(shape, -1, dtype=torch.int64, device=vertices.device)
    else:
        usable = points.isfinite().all(dim=-1, keepdim=True)
        placed = torch.where(usable, to_pytorch3d(vertices.float(), height, width), -1.0)
        packed_index = rasterize_meshes(
            Meshes(placed, faces.expand(len(vertices), -1, -1)),
            image_size=(height, width),
            blur_radius=0.0,
            faces_per_pixel=1,
            perspective_correct=False,
        )[0][..., 0]
        offset = torch.arange(len(vertices), device=vertices.device).view(-1, 1, 1) * len(faces)
        index = torch.where(packed_index >= 0, packed_index - offset, -1)
        broken = ~usable[..., 0][:, faces].all(dim=-1)
        hidden = torch.gather(broken, 1, index.flatten(1).clamp(min=0)).view(shape)
        index = torch.where(hidden, -1, index)
    if cull_backfaces:
        index = drop_backfaces(index, points, faces)
    barycentric, depth = interpolate_surface(index, points, faces)
    return index, barycentric.to(dtype), depth.to(dtype)
