"""FLAME's texture space: colours of vertices from FLAME_texture.npz and the template's UV coordinates."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from reenact.errors import ReenactError

NUM_TEXTURE = 50
"""Texture coefficients that DECA estimates (`decalib/utils/config.py`); the file has 200."""
SAMPLED_SIDE = 256
"""Side in pixels to which DECA reduces the texture, by the nearest pixel (`decalib/models/FLAME.py: FLAMETex`)."""
MAX_SIDE = 4096

_TEXTURE_REMEDY = "give the official FLAME_texture.npz"
_UV_REMEDY = "give FLAME's head_template_mesh.obj, or DECA's head_template.obj"


def read_vertex_texture(texture: Path, template: Path, num_vertices: int) -> tuple[Tensor, Tensor]:
    """Read the mean colours (V, 3) of the vertices and their directions (V, 3, 50), RGB, 1 is white.

    The texture is a picture over UV coordinates; a vertex has the colour at its coordinates, by DECA's rule of sampling
    (bilinear, of a picture of 256 pixels), and on a seam the mean of the colours at all of its coordinates.

    Args:
        texture: FLAME_texture.npz, of which `mean` and `tex_dir` are read; half a gigabyte, so about a second.
        template: Wavefront file of the template with UV coordinates.
        num_vertices: Number of vertices of the mesh.

    Raises:
        ReenactError: if a file is missing, damaged, or another one.
    """
    corners, coordinates = _read_coordinates(template, num_vertices)
    picture = _read_pictures(texture)
    flat = picture.permute(2, 3, 0, 1).flatten(0, 1)  # channels by coefficients, as one picture of many channels
    grid = torch.from_numpy(coordinates * [2, -2] + [-1, 1]).float()
    sampled = F.grid_sample(flat[None], grid[None, None], align_corners=False)[0, :, 0].T
    index = torch.from_numpy(corners)
    total = sampled.new_zeros(num_vertices, sampled.shape[1]).index_add_(0, index, sampled)
    colours = (total / torch.bincount(index, minlength=num_vertices)[:, None]).reshape(num_vertices, 3, -1)
    return colours[..., 0].clone(), colours[..., 1:].clone()


def _read_pictures(path: Path) -> Tensor:
    """The mean and the directions as pictures (256, 256, 3, 1 + 50), RGB, 1 is white."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            mean = np.asarray(archive["mean"])
            side = round((mean.size / 3) ** 0.5)
            if mean.size != 3 * side * side or not SAMPLED_SIDE <= side <= MAX_SIDE or side % SAMPLED_SIDE:
                raise ReenactError(
                    f"{path} is not FLAME's texture space, its mean has shape {mean.shape}: {_TEXTURE_REMEDY}"
                )
            pixels = slice(None, None, side // SAMPLED_SIDE)
            directions = np.asarray(archive["tex_dir"])
    except FileNotFoundError:
        raise ReenactError(f"{path} does not exist: {_TEXTURE_REMEDY}") from None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ReenactError(f"{path} is damaged or not FLAME's texture space ({error}): {_TEXTURE_REMEDY}") from error
    if directions.size % mean.size or directions.size // mean.size < NUM_TEXTURE:
        raise ReenactError(
            f"{path} is not FLAME's texture space, its tex_dir has shape {directions.shape}: {_TEXTURE_REMEDY}"
        )
    directions = directions.reshape(side, side, 3, -1)[pixels, pixels, :, :NUM_TEXTURE]
    picture = np.concatenate([mean.reshape(side, side, 3, 1)[pixels, pixels], directions], -1).astype(np.float32)
    if not np.isfinite(picture).all():
        raise ReenactError(f"{path} is damaged, it holds impossible numbers: download it again")
    return torch.from_numpy(picture[:, :, ::-1].copy()) / 255  # stored as blue, green, red


def _read_coordinates(path: Path, num_vertices: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Vertices (N,) and their UV coordinates (N, 2), each pair of a vertex and a coordinate once."""
    try:
        lines = [line.split() for line in path.read_text(encoding="ascii", errors="strict").splitlines()]
        coordinates = np.array([fields[1:3] for fields in lines if fields[:1] == ["vt"]], np.float64).reshape(-1, 2)
        corners = [corner.split("/")[:2] for fields in lines if fields[:1] == ["f"] for corner in fields[1:]]
        pairs = np.unique(np.array(corners, np.int64).reshape(-1, 2), axis=0) - 1
    except FileNotFoundError:
        raise ReenactError(f"{path} does not exist: {_UV_REMEDY}") from None
    except (OSError, ValueError) as error:
        raise ReenactError(f"{path} is no Wavefront file with UV coordinates ({error}): {_UV_REMEDY}") from error
    vertices = sum(fields[:1] == ["v"] for fields in lines)
    whole = len(pairs) and pairs.min() >= 0 and pairs[:, 1].max() < len(coordinates) and np.isfinite(coordinates).all()
    if vertices != num_vertices or not whole or not np.array_equal(np.unique(pairs[:, 0]), np.arange(num_vertices)):
        raise ReenactError(
            f"{path} is not FLAME's template: it has {vertices} vertices and {len(coordinates)} UV coordinates;"
            f" {_UV_REMEDY}"
        )
    return pairs[:, 0], coordinates[pairs[:, 1]]
