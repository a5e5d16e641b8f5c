"""Texture and light of a face from its pictures: one texture and one light for all frames of a clip.

Colour is reflectance, affine in the texture, times irradiance, linear in the light; each Gauss-Newton step is a
regularised linear least-squares problem in both, over the measured vertices that a frame shows. Beards, glasses,
highlights and cast shadows are outliers, which a robust loss holds down. A bright face in dim light looks like a dark
one in bright light: the priors of the face model and of its light convention decide.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from reenact.faces.model import FaceModel
from reenact.faces.params import FaceParams
from reenact.faces.raster import rasterize
from reenact.faces.shading import LightConvention

MOST_FRAMES = 8
"""Frames of a clip that `choose_frames` takes."""
MOST_VERTICES = 1500
"""Vertices of a frame that are compared with its picture."""
LEAST_FACING = 0.2
"""Least cosine between a vertex normal and the direction of view: at the silhouette, pixels mix with what is behind."""
NOISE = 0.05
"""Standard deviation of a picture's value, from 0 to 1, around the model's; the loss (Cauchy's) flattens there."""
INDEPENDENT = 100
"""Weight of all samples of a clip together, in samples that err independently: shadows and beards cover many."""
STEPS = 12


@dataclass(frozen=True, kw_only=True)
class _Samples:
    """Vertices seen in pictures, N over all frames."""

    vertex: Tensor
    """(N,) int64."""
    normals: Tensor
    """(N, 3)."""
    reflected: Tensor
    """(N, 3) light that the picture shows there."""
    slope: Tensor
    """(N, 3) change of the picture's value with that light."""
    area: Tensor
    """(N,) area of the mean mesh around each vertex, up to a common factor."""


def choose_frames(visible: np.ndarray) -> np.ndarray:
    """Up to `MOST_FRAMES` frame numbers, evenly spread over the frames (T,) that show the face, or over all."""
    frames = np.flatnonzero(visible) if visible.any() else np.arange(len(visible))
    return np.asarray(frames[np.linspace(0, len(frames) - 1, min(MOST_FRAMES, len(frames))).round().astype(int)])


@torch.no_grad()
def fit_appearance(
    face_model: FaceModel, params: FaceParams, images: Tensor, frames: Tensor | None = None
) -> FaceParams:
    """Measure the texture and light of a clip, or of one picture.

    Args:
        face_model: any face model with a texture.
        params: (T, ...) parameters of the clip's frames, not mirrored.
        images: (N, 3, H, W) RGB in [-1, 1], the pictures to which the cameras belong.
        frames: (N,) rows of the parameters that the pictures belong to; all of them by default.

    Returns:
        The parameters with `texture` (T, K) and `light` (T, 9, 3), the same in all rows; those of the priors where no
        picture shows the face.

    Raises:
        ReenactError: if the face model has no texture.
    """
    face_model.check_texture()
    rows = params if frames is None else params[frames]
    samples = [_sample_picture(face_model, rows[k : k + 1], image) for k, image in enumerate(images)]
    joined = _Samples(**{name: torch.cat([getattr(part, name) for part in samples]) for name in vars(samples[0])})
    texture, light = _solve_samples(face_model, joined)
    count = len(params.expression)
    return replace(params, texture=texture.repeat(count, 1), light=light.repeat(count, 1, 1))


def _sample_picture(face_model: FaceModel, params: FaceParams, image: Tensor) -> _Samples:
    """The measured vertices that a picture (3, H, W) shows, of one row of parameters."""
    posed, normals = face_model.posed(params), face_model.normals(params)[0]
    face_index = rasterize(posed, face_model.faces, (image.shape[1], image.shape[2]), cull_backfaces=True).face_index
    visible = torch.zeros(len(normals), dtype=torch.bool, device=normals.device)
    visible[face_model.faces[face_index[face_index >= 0]].flatten()] = True
    inside = (posed[0, :, :2].abs() < 1).all(-1)
    usable = visible & inside & face_model.measured_vertices() & (normals[:, 2] > LEAST_FACING)
    vertex = torch.nonzero(usable)[:, 0]
    vertex = vertex[:: max(1, -(-len(vertex) // MOST_VERTICES))]
    place = posed[:, vertex, :2][:, None]
    values = F.grid_sample(image[None].to(posed), place, padding_mode="border", align_corners=False)[0, :, 0].T
    values = ((values + 1) / 2).clamp(0, 1)
    reflected = face_model.light_convention.decode_colours(values)
    return _Samples(
        vertex=vertex,
        normals=normals[vertex],
        reflected=reflected,
        slope=_measure_slope(face_model.light_convention, reflected),
        area=_measure_areas(face_model)[vertex],
    )


def _measure_areas(face_model: FaceModel) -> Tensor:
    """(V,) share of the mean mesh's surface around each vertex: lids and lips have many small triangles."""
    a, b, c = (face_model.mean_vertices[face_model.faces[:, corner]] for corner in range(3))
    area = torch.cross(b - a, c - a, dim=-1).norm(dim=-1, keepdim=True).expand(-1, 3)
    return torch.zeros_like(face_model.mean_vertices[:, 0]).index_add(0, face_model.faces.flatten(), area.flatten())


def _measure_slope(convention: LightConvention, reflected: Tensor) -> Tensor:
    step = 1e-3
    change = convention.encode_colours(reflected + step) - convention.encode_colours(reflected - step)
    return change / (2 * step)


def _solve_samples(face_model: FaceModel, samples: _Samples) -> tuple[Tensor, Tensor]:
    """Texture (K,) and light (9, 3) of all samples, by Gauss-Newton from the priors' means."""
    count = face_model.num_texture
    mean, covariance = (value.double() for value in face_model.appearance_prior())
    precision, solution = torch.linalg.inv(covariance), mean
    constant, basis = _expand_reflectance(face_model, samples.vertex)
    for _ in range(STEPS if len(samples.vertex) else 0):
        texture, light = solution[:count].to(basis), solution[count:].reshape(9, 3).to(basis)
        reflectance = constant + torch.einsum("k,knc->nc", texture, basis)
        gradient, hessian = _normal_equations(face_model.light_convention, samples, reflectance, basis, light)
        gradient = gradient + precision @ (solution - mean)
        solution = solution - torch.linalg.solve(hessian + precision, gradient)
        solution = torch.cat([solution[:count].clamp(*face_model.texture_range), solution[count:]])
    return solution[:count].to(basis), solution[count:].reshape(9, 3).to(basis)


def _expand_reflectance(face_model: FaceModel, vertex: Tensor) -> tuple[Tensor, Tensor]:
    """Reflectance (N, 3) of vertices where all coefficients are 0, and its change (K, N, 3) with each coefficient."""
    units = torch.eye(face_model.num_texture).to(face_model.mean_vertices)
    constant = face_model.reflectance(torch.zeros_like(units[0]))[vertex]
    # one coefficient at a time: of BFM, all vertices with all coefficients are much to hold
    return constant, torch.stack([face_model.reflectance(unit)[vertex] - constant for unit in units])


def _normal_equations(
    convention: LightConvention, samples: _Samples, reflectance: Tensor, basis: Tensor, light: Tensor
) -> tuple[Tensor, Tensor]:
    """Gradient (K + 27,) and Hessian (K + 27, K + 27) of the robust squared error, float64."""
    bands = convention.evaluate_bands(samples.normals)
    irradiance = bands @ light + convention.ambient * bands[:, :1]
    error = samples.slope * (reflectance * irradiance - samples.reflected)
    weight = samples.area[:, None] / (1 + (error / NOISE).square().sum(-1, keepdim=True))
    weight = (weight * INDEPENDENT / samples.area.sum() / NOISE**2).expand(-1, 3).flatten()[:, None]
    by_texture = (samples.slope * irradiance * basis).permute(1, 2, 0)
    by_light = (samples.slope * reflectance)[..., None] * bands[:, None]
    by_light = (by_light[..., None] * torch.eye(3).to(bands)[:, None]).flatten(2)
    jacobian = torch.cat([by_texture, by_light], -1).flatten(0, 1)
    weighted = (weight * jacobian).T
    return (weighted @ error.flatten()).double(), (weighted @ jacobian).double()
