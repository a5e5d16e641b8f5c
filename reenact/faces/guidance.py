"""Pictures of a posed mesh that guide a network: displacement, neural codes, NMFC, mask.

Conventions: vertices in normalised device coordinates (x right, y down, z away; [-1, 1] spans the image edge to edge);
maps are (B, C, H, W), 0 where no face is seen. As in the released PWM code (`MeshRenderer`), pixels whose nearest face
is seen from behind count as background and silhouettes are antialiased by nvdiffrast's rule.
"""

from __future__ import annotations

from torch import Tensor

from reenact.faces.raster import antialias as blend_silhouettes
from reenact.faces.raster import interpolate, rasterize, render_attributes


def displacement_map(
    source_vertices: Tensor,
    driving_vertices: Tensor,
    faces: Tensor,
    size: int | tuple[int, int],
    *,
    antialias: bool = True,
    backend: str = "auto",
) -> Tensor:
    """Render the displacement from each point of the driving face to its place in the source image (PWM, section 3.2).

    A backward displacement, driving to source, in normalised units, channel 0 = x (right), 1 = y (down): the source is
    sampled at the pixel's own place plus the map's value.

    Args:
        source_vertices: (B, V, 3) posed source.
        driving_vertices: (B, V, 3) posed driving face; the map is drawn on it.
        faces: (F, 3) int64.
        size: pixels: one number for a square, or (height, width).
        antialias: blend pixels across silhouettes.
        backend: the rasteriser, one of `reenact.faces.raster.BACKENDS`.

    Returns:
        (B, 2, H, W).
    """
    displacement = (source_vertices - driving_vertices)[..., :2]
    return render_attributes(driving_vertices, faces, displacement, size, smooth=antialias, backend=backend)


def code_map(
    vertices: Tensor,
    faces: Tensor,
    codes: Tensor,
    size: int | tuple[int, int],
    *,
    antialias: bool = True,
    backend: str = "auto",
) -> Tensor:
    """Learnable vertex codes seen on a posed face (PWM, section 3.2: neural codes).

    Args:
        vertices: (B, V, 3) posed face.
        faces: (F, 3) int64.
        codes: (V, C), the same for all, or (B, V, C); the map carries gradients to them.
        size: pixels: one number for a square, or (height, width).
        antialias: blend pixels across silhouettes.
        backend: the rasteriser, one of `reenact.faces.raster.BACKENDS`.

    Returns:
        (B, C, H, W).
    """
    return render_attributes(vertices, faces, codes, size, smooth=antialias, backend=backend)


def normalised_coordinates(mean_vertices: Tensor) -> Tensor:
    """The mean face's coordinates (V, 3), each axis scaled to [0, 1] over the mesh: the colours of NMFC."""
    low, high = mean_vertices.amin(dim=0), mean_vertices.amax(dim=0)
    return (mean_vertices - low) / (high - low)


def nmfc_map(
    vertices: Tensor,
    faces: Tensor,
    mean_vertices: Tensor,
    size: int | tuple[int, int],
    *,
    antialias: bool = True,
    backend: str = "auto",
) -> Tensor:
    """Normalised mean face coordinates seen on a posed face (HeadGAN, Doukas et al. 2021, section 3.1).

    Every vertex wears its own place on the mean face as a colour, each axis scaled to [0, 1] over the mesh.

    Args:
        vertices: (B, V, 3) posed face.
        faces: (F, 3) int64.
        mean_vertices: (V, 3) mean face in model space, in any unit.
        size: pixels: one number for a square, or (height, width).
        antialias: blend pixels across silhouettes.
        backend: the rasteriser, one of `reenact.faces.raster.BACKENDS`.

    Returns:
        (B, 3, H, W) in [0, 1].
    """
    colours = normalised_coordinates(mean_vertices)
    return render_attributes(vertices, faces, colours, size, smooth=antialias, backend=backend)


def face_mask(
    vertices: Tensor,
    faces: Tensor,
    size: int | tuple[int, int],
    *,
    region: Tensor | None = None,
    antialias: bool = False,
    backend: str = "auto",
) -> Tensor:
    """Render the mask of the visible part of a posed face, or of a region of it.

    Args:
        vertices: (B, V, 3) posed face.
        faces: (F, 3) int64.
        size: pixels: one number for a square, or (height, width).
        region: (V,) bool, `FaceModel.region`; None is the whole mesh. The rest of the mesh still hides what is behind
            it. Between vertices inside and outside the mask falls off linearly.
        antialias: blend pixels across silhouettes, which gives shares between 0 and 1 there.
        backend: the rasteriser, one of `reenact.faces.raster.BACKENDS`.

    Returns:
        (B, 1, H, W) in [0, 1].
    """
    fragments = rasterize(vertices, faces, size, cull_backfaces=True, backend=backend)
    # Not interpolated ones, which are 1 only up to rounding.
    mask = fragments.covered[:, None].to(fragments.depth.dtype)
    if region is not None:
        mask = interpolate(fragments, faces, region[:, None].to(mask.dtype)).clamp(0, 1)
    return blend_silhouettes(mask, fragments, vertices, faces) if antialias else mask
