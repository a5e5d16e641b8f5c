"""Compiled interpolation of vertex attributes on the CPU, with silhouette blends folded in."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from reenact.compilation import njit
from reenact.faces.raster.numba_silhouette import FrameBlends, apply_blends, blend_gradients
from reenact.threads import Array, allocate_zeros, run_jobs, split_bands


@njit(nogil=True, cache=True)
def _gather_attributes(attributes: Array, faces: Array, face_index: Array, barycentric: Array, image: Array) -> None:
    """Interpolate a frame's attributes (V, C) into a band of its image (C, H, W), which comes as zeros."""
    height, width = face_index.shape
    channels = attributes.shape[1]
    line = np.empty((width, channels), dtype=attributes.dtype)
    for row in range(height):
        begin, end = width, 0
        for column in range(width):
            face = face_index[row, column]
            if face < 0:
                line[column] = 0
                continue
            begin, end = min(begin, column), column + 1
            a, b, c = attributes[faces[face, 0]], attributes[faces[face, 1]], attributes[faces[face, 2]]
            u, v, w = barycentric[row, column, 0], barycentric[row, column, 1], barycentric[row, column, 2]
            for channel in range(channels):
                line[column, channel] = a[channel] * u + b[channel] * v + c[channel] * w
        for channel in range(channels):
            for column in range(begin, end):
                image[channel, row, column] = line[column, channel]


@njit(nogil=True, cache=True)
def _scatter_gradient(
    faces: Array, face_index: Array, barycentric: Array, gradient: Array, to_attributes: Array
) -> None:
    """Add a frame's image gradient (C, H, W) to the gradient (V, C) of its attributes."""
    height, width = face_index.shape
    channels = to_attributes.shape[1]
    line = np.empty((width, channels), dtype=gradient.dtype)
    for row in range(height):
        for channel in range(channels):
            for column in range(width):
                line[column, channel] = gradient[channel, row, column]
        for column in range(width):
            face = face_index[row, column]
            if face < 0:
                continue
            for corner in range(3):
                target, weight = to_attributes[faces[face, corner]], barycentric[row, column, corner]
                for channel in range(channels):
                    target[channel] += line[column, channel] * weight


@njit(nogil=True, cache=True)
def _scatter_weights(attributes: Array, faces: Array, face_index: Array, gradient: Array, to_weights: Array) -> None:
    """Add to the gradient (H, W, 3) of a frame's barycentric weights, given its image gradient (C, H, W)."""
    height, width = face_index.shape
    for row in range(height):
        for column in range(width):
            face = face_index[row, column]
            if face < 0:
                continue
            for corner in range(3):
                for channel in range(attributes.shape[1]):
                    slope = gradient[channel, row, column] * attributes[faces[face, corner], channel]
                    to_weights[row, column, corner] += slope


class _Interpolate(torch.autograd.Function):
    """Attributes (B, V, C) at the pixels, (B, C, H, W), blended; gradients to attributes and barycentric weights."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 (torch's)
        attributes: Tensor,
        barycentric: Tensor,
        face_index: Tensor,
        faces: Tensor,
        blends: list[FrameBlends] | None,
    ) -> Tensor:
        ctx.save_for_backward(attributes, barycentric, face_index, faces)
        ctx.blends = blends
        batch, height, width = face_index.shape
        image = allocate_zeros((batch, attributes.shape[-1], height, width), attributes.dtype)
        values, weights = attributes.detach().numpy(), barycentric.detach().numpy()
        index, triangles, out = face_index.numpy(), faces.numpy(), image.numpy()
        jobs = [
            (values[i], triangles, index[i, first:end], weights[i, first:end], out[i, :, first:end])
            for i, first, end in split_bands(batch, height)
        ]
        run_jobs(_gather_attributes, jobs)
        if blends is not None:
            run_jobs(apply_blends, [(out[i], *blends[i]) for i in range(batch)])
        return image

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401 (torch's)
        attributes, barycentric, face_index, faces = ctx.saved_tensors
        incoming = gradient.contiguous()
        if ctx.blends is not None:
            incoming = blend_gradients(incoming, ctx.blends)
        slopes, index, triangles = incoming.numpy(), face_index.numpy(), faces.numpy()
        frames = range(len(index))
        to_attributes = to_weights = None
        if ctx.needs_input_grad[0]:
            to_attributes = allocate_zeros(tuple(attributes.shape), attributes.dtype)
            weights, out = barycentric.detach().numpy(), to_attributes.numpy()
            run_jobs(_scatter_gradient, [(triangles, index[i], weights[i], slopes[i], out[i]) for i in frames])
        if ctx.needs_input_grad[1]:
            to_weights = allocate_zeros(tuple(barycentric.shape), barycentric.dtype)
            values, out = attributes.detach().numpy(), to_weights.numpy()
            run_jobs(_scatter_weights, [(values[i], triangles, index[i], slopes[i], out[i]) for i in frames])
        return to_attributes, to_weights, None, None, None


def interpolate(
    face_index: Tensor, barycentric: Tensor, faces: Tensor, attributes: Tensor, blends: list[FrameBlends] | None = None
) -> Tensor:
    """Attributes (B, V, C) at the pixels, (B, C, H, W), 0 on background; `blends` antialias the result in place."""
    image: Tensor = _Interpolate.apply(
        attributes, barycentric.contiguous(), face_index.contiguous(), faces.contiguous(), blends
    )
    return image
