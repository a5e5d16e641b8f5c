"""The rasteriser's functions; backends are chosen by name.

Conventions: vertices in normalised device coordinates, x right, y down, z away from the camera, [-1, 1] spans the image
edge to edge, so the centre of pixel j of W lies at (2j + 1) / W - 1. Sizes are (height, width). Row 0 is the top.
Interpolation is linear in image space; `correct_perspective` makes it linear on the surface. A face whose vertices run
counter-clockwise as seen on screen faces the camera.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from reenact.errors import ReenactError
from reenact.faces.raster import numba_cpu, numba_interpolate, numba_silhouette, silhouette, torch_reference
from reenact.faces.raster.fragments import Fragments
from reenact.faces.raster.topology import topology_of

BACKENDS = ("auto", "numba", "triton", "pytorch3d", "reference")
"""`auto` takes numba for tensors on the CPU and triton for tensors on a CUDA device."""


class _Rasterize(Protocol):
    def __call__(
        self, vertices: Tensor, faces: Tensor, height: int, width: int, cull_backfaces: bool, dtype: torch.dtype
    ) -> tuple[Tensor, Tensor, Tensor]: ...


def _load_backend(name: str, device: torch.device) -> _Rasterize:
    if name not in BACKENDS:
        raise ReenactError(f"there is no rasteriser {name!r}; choose one of {', '.join(BACKENDS)}")
    if name == "auto":
        name = "triton" if device.type == "cuda" else "numba"
    if name == "numba":
        if device.type != "cpu":
            raise ReenactError(f"the rasteriser 'numba' works on the CPU, not on {device}; choose 'triton' or 'auto'")
        return numba_cpu.rasterize
    if name == "triton":
        from reenact.faces.raster import triton_cuda

        return triton_cuda.rasterize
    if name == "pytorch3d":
        from reenact.faces.raster import pytorch3d_backend

        return pytorch3d_backend.rasterize
    return torch_reference.rasterize


def _height_width(size: int | tuple[int, int]) -> tuple[int, int]:
    height, width = (size, size) if isinstance(size, int) else size
    if height < 1 or width < 1:
        raise ValueError(f"an image of {height} x {width} pixels has no pixels; give a size of at least 1")
    return height, width


def _check_mesh(vertices: Tensor, faces: Tensor) -> None:
    if vertices.ndim != 3 or vertices.shape[-1] != 3 or not vertices.is_floating_point():
        raise ValueError(f"vertices must be floats of shape (B, V, 3), not {vertices.dtype} {tuple(vertices.shape)}")
    if faces.ndim != 2 or faces.shape[-1] != 3 or faces.dtype != torch.int64:
        raise ValueError(f"faces must be int64 of shape (F, 3), not {faces.dtype} {tuple(faces.shape)}")
    if faces.device != vertices.device:
        raise ValueError(f"vertices are on {vertices.device} but faces on {faces.device}; move both to one device")
    topology = topology_of(faces)
    if topology.lowest < 0 or topology.highest >= vertices.shape[1]:
        raise ValueError(
            f"faces name vertices {topology.lowest} to {topology.highest}, but there are {vertices.shape[1]}"
        )


def rasterize(
    vertices_ndc: Tensor,
    faces: Tensor,
    size: int | tuple[int, int],
    *,
    cull_backfaces: bool = False,
    backend: str = "auto",
) -> Fragments:
    """Find the visible face of every pixel.

    Args:
        vertices_ndc: (B, V, 3) in normalised device coordinates (see the module's conventions).
        faces: (F, 3) int64 vertex indices, shared by the batch.
        size: pixels: one number for a square, or (height, width).
        cull_backfaces: turn pixels whose visible face is seen from behind into background; after the depth test, as
            in the released PWM code, so nothing behind shows through.
        backend: one of `BACKENDS`.

    Returns:
        Fragments in the precision of the vertices (at least float32); barycentric weights and depth carry gradients
        to the vertices, visibility doesn't.

    Raises:
        ReenactError: for an unknown backend, or one that isn't installed or can't use the tensors' device.
        ValueError: for tensors of wrong shape, type, device or with face indices out of range.
    """
    height, width = _height_width(size)
    draw = _load_backend(backend, vertices_ndc.device)
    _check_mesh(vertices_ndc, faces)
    dtype = torch.promote_types(vertices_ndc.dtype, torch.float32)
    face_index, barycentric, depth = draw(vertices_ndc.detach(), faces, height, width, cull_backfaces, dtype)
    if _needs_gradient(vertices_ndc):
        points = torch_reference.pixel_points(vertices_ndc, height, width)
        exact = torch_reference.interpolate_surface(face_index, points, faces)
        barycentric, depth = exact[0].to(dtype), exact[1].to(dtype)
    return Fragments(face_index, barycentric, depth)


def _needs_gradient(vertices: Tensor) -> bool:
    return vertices.requires_grad and torch.is_grad_enabled()


def interpolate(fragments: Fragments, faces: Tensor, attributes: Tensor) -> Tensor:
    """Interpolate vertex attributes at the visible faces.

    Args:
        fragments: what `rasterize` returned.
        faces: the (F, 3) int64 it was given.
        attributes: (B, V, C), or (V, C) for all frames.

    Returns:
        (B, C, H, W) in the attributes' precision, 0 on background; carries gradients to the attributes and, through
        the barycentric weights, to the vertices.
    """
    return _interpolate_attributes(fragments, faces, attributes, None)


def _interpolate_attributes(
    fragments: Fragments, faces: Tensor, attributes: Tensor, blends: list[numba_silhouette.FrameBlends] | None
) -> Tensor:
    batch = len(fragments.face_index)
    work = torch.promote_types(attributes.dtype, torch.float32)
    values = attributes.to(work)
    values = values.expand(batch, -1, -1) if values.ndim == 2 else values
    if values.ndim != 3 or len(values) != batch or topology_of(faces).highest >= values.shape[1]:
        raise ValueError(
            f"attributes of shape {tuple(attributes.shape)} don't fit {batch} frames of a mesh with vertices up to"
            f" {topology_of(faces).highest}; give (B, V, C) or (V, C)"
        )
    barycentric = fragments.barycentric.to(work)
    if _on_cpu(fragments):
        image = numba_interpolate.interpolate(fragments.face_index, barycentric, faces, values, blends)
    else:
        image = torch_reference.interpolate(fragments.face_index, barycentric, faces, values)
    return image.to(attributes.dtype)


def _on_cpu(fragments: Fragments) -> bool:
    return fragments.face_index.device.type == "cpu"


def antialias(image: Tensor, fragments: Fragments, vertices_ndc: Tensor, faces: Tensor) -> Tensor:
    """Blend pixels across silhouettes, by the rule of nvdiffrast (Laine et al. 2020, section 3.4).

    Args:
        image: (B, C, H, W), what `interpolate` returned.
        fragments: what `rasterize` returned.
        vertices_ndc: (B, V, 3) it was given.
        faces: (F, 3) int64 it was given.

    Returns:
        (B, C, H, W): as the image, but for the pixels next to a silhouette; carries gradients to the image and, through
        the place where silhouettes cross, to the vertices.
    """
    opposite = topology_of(faces).opposite
    if _on_cpu(fragments) and not _needs_gradient(vertices_ndc):
        blends = numba_silhouette.find_blends(fragments, vertices_ndc, faces, opposite)
        work = image.to(torch.promote_types(image.dtype, torch.float32))
        return numba_silhouette.blend_frames(work, blends).to(image.dtype)
    return silhouette.blend_pairs(image, silhouette.find_pairs(fragments, vertices_ndc, faces, opposite))


def render_attributes(
    vertices_ndc: Tensor,
    faces: Tensor,
    attributes: Tensor,
    size: int | tuple[int, int],
    *,
    cull_backfaces: bool = True,
    smooth: bool = True,
    backend: str = "auto",
) -> Tensor:
    """Rasterize, interpolate and, if `smooth`, antialias: (B, C, H, W).

    Arguments, errors and gradients as of those functions; on the CPU the steps share memory.
    """
    fragments = rasterize(vertices_ndc, faces, size, cull_backfaces=cull_backfaces, backend=backend)
    return draw_attributes(fragments, vertices_ndc, faces, attributes, smooth=smooth)


def draw_attributes(
    fragments: Fragments, vertices_ndc: Tensor, faces: Tensor, attributes: Tensor, *, smooth: bool = True
) -> Tensor:
    """Interpolate and, if `smooth`, antialias: (B, C, H, W).

    Arguments, errors and gradients as of those functions; on the CPU the steps share memory.
    """
    if not smooth:
        return interpolate(fragments, faces, attributes)
    if _on_cpu(fragments) and not _needs_gradient(vertices_ndc):
        blends = numba_silhouette.find_blends(fragments, vertices_ndc, faces, topology_of(faces).opposite)
        return _interpolate_attributes(fragments, faces, attributes, blends)
    return antialias(interpolate(fragments, faces, attributes), fragments, vertices_ndc, faces)
