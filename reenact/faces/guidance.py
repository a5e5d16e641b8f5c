"""Pictures of a posed mesh that guide a network, all drawn from one rasterisation of the driving face.

`rasterize_face` finds the visible triangle of every pixel once; each `*_map` draws from it. `build_source_geometry`
computes the half of flow and visibility that the source alone decides, for a method's state.

Conventions: vertices in normalised device coordinates (x right, y down, z away; [-1, 1] spans the image edge to edge);
maps are (B, C, H, W), 0 where no face is seen. As in the released PWM code (`MeshRenderer`), pixels whose nearest face
is seen from behind count as background and silhouettes are antialiased by nvdiffrast's rule. Flow and displacement are
backward, driving to source: channel 0 = x (right), 1 = y (down).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from reenact.faces.camera import measure_distance
from reenact.faces.fields import TensorFields
from reenact.faces.raster import Fragments, correct_perspective, draw_attributes, rasterize
from reenact.faces.raster import antialias as blend_silhouettes

VisibilityRule = Literal["depth", "literal"]
"""Rule by which a triangle counts as visible in the source. `literal`, equation (4) of BFM flow (AAAI'23): it is the
nearest of some pixel; of a mesh with several triangles a pixel, most are not. `depth`: that, or it faces the camera
and lies no deeper than the picture's surface."""

DEPTH_TOLERANCE = 0.02
"""Depth in NDC by which a visible triangle may lie behind the surface at the pixel of its centre; 2.5 mm."""
STEEPEST = 20.0
"""Limit on the slope by which a triangle's depth is continued to the centre of a pixel."""


@dataclass(kw_only=True)
class FaceRaster:
    """A posed face and the visible triangle of every pixel."""

    vertices: Tensor
    """(B, V, 3) posed face."""
    faces: Tensor
    """(F, 3) int64."""
    fragments: Fragments
    """The visible triangles, with weights on the surface."""

    def draw(self, attributes: Tensor, *, antialias: bool = False) -> Tensor:
        """Draw vertex attributes (V, C) or (1 or B, V, C) as a map (B, C, H, W), which carries gradients to them.

        Args:
            attributes: numbers for each vertex.
            antialias: blend pixels across silhouettes.
        """
        if attributes.ndim == 3:
            attributes = attributes.expand(len(self.vertices), -1, -1)
        return draw_attributes(self.fragments, self.vertices, self.faces, attributes, smooth=antialias)


def rasterize_face(
    vertices: Tensor,
    faces: Tensor,
    size: int | tuple[int, int],
    *,
    camera: Tensor | None = None,
    cull_backfaces: bool = True,
    backend: str = "auto",
) -> FaceRaster:
    """Find the visible triangle of every pixel of a posed face.

    Args:
        vertices: (B, V, 3) posed face.
        faces: (F, 3) int64.
        size: pixels: one number for a square, or (height, width).
        camera: (B, C) the camera that posed it; a perspective one makes attributes perspective-correct. None
            interpolates in image space, as PWM does with every camera.
        cull_backfaces: count pixels whose nearest face is seen from behind as background.
        backend: the rasteriser, one of `reenact.faces.raster.BACKENDS`.
    """
    fragments = rasterize(vertices, faces, size, cull_backfaces=cull_backfaces, backend=backend)
    if camera is not None and camera.shape[-1] == 7:
        fragments = correct_perspective(fragments, faces, measure_distance(vertices, camera))
    return FaceRaster(vertices=vertices, faces=faces, fragments=fragments)


@dataclass
class SourceGeometry(TensorFields):
    """The half of flow and visibility that the source alone decides."""

    places: Tensor
    """(B, V, 2) places of the vertices in the source image."""
    visible: Tensor
    """(B, F) bool: triangles that the source image shows."""


def build_source_geometry(
    vertices: Tensor,
    faces: Tensor,
    size: int | tuple[int, int],
    *,
    rule: VisibilityRule = "depth",
    backend: str = "auto",
) -> SourceGeometry:
    """Find the places of a source's vertices and the triangles that its image shows.

    Args:
        vertices: (B, V, 3) posed source.
        faces: (F, 3) int64.
        size: pixels: one number for a square, or (height, width).
        rule: `depth` or, as equation (4) reads, `literal`.
        backend: the rasteriser, one of `reenact.faces.raster.BACKENDS`.
    """
    fragments = rasterize(vertices.detach(), faces, size, backend=backend)
    visible = _find_pixel_owners(fragments, faces)
    if rule == "depth":
        visible = visible | _find_unoccluded(fragments, vertices.detach(), faces)
    return SourceGeometry(vertices[..., :2], visible)


def _find_pixel_owners(fragments: Fragments, faces: Tensor) -> Tensor:
    """(B, F) triangles that are the nearest of some pixel."""
    index = fragments.face_index.flatten(1)
    owners = torch.zeros(len(index), len(faces) + 1, dtype=torch.bool, device=index.device)
    return owners.scatter_(1, index.where(index >= 0, len(faces)), True)[:, :-1]


def _find_unoccluded(fragments: Fragments, vertices: Tensor, faces: Tensor) -> Tensor:
    """(B, F) triangles that face the camera and do not lie behind the surface at the pixel of their centre."""
    height, width = fragments.depth.shape[1:]
    a, b, c = (vertices[:, faces[:, corner]] for corner in range(3))
    x, y, depth = ((a + b + c) / 3).unbind(-1)
    (ux, uy, uz), (vx, vy, vz) = (b - a).unbind(-1), (c - a).unbind(-1)
    # With y down, a triangle that runs counter-clockwise on screen has a negative area.
    area = ux * vy - uy * vx
    slope_x, slope_y = (uz * vy - vz * uy) / area, (vz * ux - uz * vx) / area
    column, row = ((x + 1) * width / 2).floor(), ((y + 1) * height / 2).floor()
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    # The triangle's plane at the pixel's centre, where the surface's depth is known.
    depth = depth + slope_x.clamp(-STEEPEST, STEEPEST) * ((2 * column + 1) / width - 1 - x)
    depth = depth + slope_y.clamp(-STEEPEST, STEEPEST) * ((2 * row + 1) / height - 1 - y)
    pixel = torch.where(inside, row * width + column, 0).long()
    surface = fragments.depth.flatten(1).gather(1, pixel)
    return (area < 0) & inside & (depth <= surface + DEPTH_TOLERANCE)


def flow_map(face: FaceRaster, source: SourceGeometry) -> Tensor:
    """Draw the flow (B, 2, H, W) from each pixel of the driving face to its place in the source image.

    Equation (3) of BFM flow: the source is sampled at the pixel's own place plus the map's value. The source's batch is
    1 or B.
    """
    height, width = face.fragments.depth.shape[1:]
    place = face.draw(source.places)
    x, y = ((2 * torch.arange(count, device=place.device) + 1) / count - 1 for count in (width, height))
    pixels = torch.stack(torch.meshgrid(x, y, indexing="xy")).to(place)
    return torch.where(face.fragments.covered[:, None], place - pixels, 0)


def visibility_map(face: FaceRaster, source: SourceGeometry) -> Tensor:
    """Draw 1 where the source image shows the point that a pixel of the driving face shows, else 0: (B, 1, H, W).

    Equation (4) of BFM flow by the rule of the source's geometry, whose batch is 1 or B.
    """
    index = face.fragments.face_index
    visible = source.visible.expand(len(index), -1)
    visibility = visible.gather(1, index.clamp(min=0).flatten(1)).view_as(index) & face.fragments.covered
    return visibility[:, None].to(face.fragments.depth.dtype)


def displace_vertices(source_vertices: Tensor, driving_vertices: Tensor) -> Tensor:
    """Displacement (B, V, 2) from each vertex (B, V, 3) of a driving face to its place in the source image."""
    return (source_vertices - driving_vertices)[..., :2]


def displacement_map(face: FaceRaster, source_vertices: Tensor, *, antialias: bool = True) -> Tensor:
    """Draw `displace_vertices` on the driving face: (B, 2, H, W) (PWM, section 3.2).

    It is `flow_map`, up to rounding and silhouettes, where the weights are linear in the image.

    Args:
        face: the driving face.
        source_vertices: (B, V, 3) posed source.
        antialias: blend pixels across silhouettes.
    """
    return face.draw(displace_vertices(source_vertices, face.vertices), antialias=antialias)


def code_map(face: FaceRaster, codes: Tensor, *, antialias: bool = True) -> Tensor:
    """Draw learnable vertex codes (V, C) or (B, V, C) as (B, C, H, W) (PWM, section 3.2: neural codes)."""
    return face.draw(codes, antialias=antialias)


def normalised_coordinates(mean_vertices: Tensor) -> Tensor:
    """The mean face's coordinates (V, 3), each axis scaled to [0, 1] over the mesh: the colours of NMFC."""
    low, high = mean_vertices.amin(dim=0), mean_vertices.amax(dim=0)
    return (mean_vertices - low) / (high - low)


def nmfc_map(face: FaceRaster, mean_vertices: Tensor, *, antialias: bool = True) -> Tensor:
    """Draw normalised mean face coordinates, (B, 3, H, W) in [0, 1] (HeadGAN, Doukas et al. 2021, section 3.1).

    Every vertex wears its own place on the mean face (V, 3) as a colour, each axis scaled to [0, 1] over the mesh.
    """
    return face.draw(normalised_coordinates(mean_vertices), antialias=antialias)


def face_mask(face: FaceRaster, region: Tensor | None = None, *, antialias: bool = False) -> Tensor:
    """Draw the mask (B, 1, H, W) in [0, 1] of the visible part of a face, or of a region of it.

    Args:
        face: the posed face.
        region: (V,) bool, `FaceModel.region`; None is the whole mesh. The rest of the mesh still hides what is behind
            it. Between vertices inside and outside the mask falls off linearly.
        antialias: blend pixels across silhouettes, which gives shares between 0 and 1 there.
    """
    # Not interpolated ones, which are 1 only up to rounding.
    mask = face.fragments.covered[:, None].to(face.fragments.depth.dtype)
    if region is not None:
        mask = face.draw(region[:, None].to(mask.dtype)).clamp(0, 1)
    return blend_silhouettes(mask, face.fragments, face.vertices, face.faces) if antialias else mask


def shaded_map(face: FaceRaster, colours: Tensor) -> Tensor:
    """Draw vertex colours (B, V, 3) that are lit and not clipped, as (B, 3, H, W), not clipped either."""
    return face.draw(colours)


def depth_map(face: FaceRaster) -> Tensor:
    """Draw the nearness (B, 1, H, W) of the surface: 1 at the nearest vertex of the mesh, 0 at the farthest.

    MagicPortrait's depth (Wei et al. 2025, as its code): each frame has its own range, over all vertices.
    """
    depth = face.vertices[..., 2:]
    farthest, nearest = depth.amax(1, keepdim=True), depth.amin(1, keepdim=True)
    return face.draw((farthest - depth) / (farthest - nearest))


def normal_map(face: FaceRaster, normals: Tensor) -> Tensor:
    """Draw unit vertex normals (B, V, 3) in model space as (B, 3, H, W) in [-1, 1], not made unit again."""
    return face.draw(normals)


def landmark_map(landmarks: Tensor, size: int | tuple[int, int], *, radius: float = 0.015) -> Tensor:
    """Draw landmarks (B, N, 2 or 3) in NDC as Gaussian dots, 1 at their centres: (B, 1, H, W).

    Args:
        landmarks: points; their depth is not read.
        size: pixels: one number for a square, or (height, width).
        radius: standard deviation of a dot, the image being 2 wide.
    """
    height, width = (size, size) if isinstance(size, int) else size
    x, y = ((2 * torch.arange(count, device=landmarks.device) + 1) / count - 1 for count in (width, height))
    spread = [
        torch.exp(-0.5 * ((axis.to(landmarks) - landmarks[..., k, None]) / radius) ** 2) for k, axis in ((0, x), (1, y))
    ]
    dots = spread[1][..., :, None] * spread[0][..., None, :]
    return dots.amax(1, keepdim=True)
