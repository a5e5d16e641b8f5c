"""Unsupervised keypoints: their expectation under a heatmap, gaussians around them, and motions between two sets.

Convention: keypoints are (B, K, 2) or (B, K, 3) in x (right), y (down), z (depth index); [-1, 1] spans the centres of
the first and last pixel, so a grid ends at -1 and 1, as in the first-order motion model and Face-vid2vid. Their
samplers use `align_corners=False` on such grids (`reenact.nn.resample.sample_image`), and published weights were
trained so; this is kept: an identity motion zooms by size / (size - 1). Nothing here multiplies matrices, which mixed
precision would round to a hundredth of the image.
"""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import ConvexHull
from torch import Tensor


def corner_grid(sizes: Sequence[int], like: Tensor) -> Tensor:
    """Coordinates (*sizes, n) of the pixels of a map (H, W) or volume (D, H, W), the last dimension x, y(, z)."""
    dtype = torch.promote_types(like.dtype, torch.float32)
    axes = [2 * torch.arange(size, device=like.device, dtype=dtype) / (size - 1) - 1 for size in sizes]
    return torch.stack(torch.meshgrid(*axes, indexing="ij")[::-1], dim=-1)


def spatial_softmax(logits: Tensor, temperature: float) -> Tensor:
    """Heatmaps (B, K, ...) of sum 1 over all positions, of logits (B, K, ...) in float32."""
    flat = torch.softmax(logits.float().flatten(2) / temperature, dim=2)
    return flat.view(logits.shape)


def average_position(heatmap: Tensor) -> Tensor:
    """Mean position (B, K, n) under heatmaps (B, K, H, W) or (B, K, D, H, W)."""
    grid = corner_grid(heatmap.shape[2:], heatmap)
    return (heatmap.flatten(2).unsqueeze(-1) * grid.flatten(0, -2)).sum(2)


def draw_gaussians(points: Tensor, sizes: Sequence[int], variance: float) -> Tensor:
    """Maps (B, K, *sizes) of `exp(-|z - p|^2 / (2 variance))` around keypoints (B, K, n), 1 at their centres."""
    grid = corner_grid(sizes, points)
    centres = points.view(*points.shape[:2], *(1,) * len(sizes), -1)
    return torch.exp(-0.5 * (grid - centres).square().sum(-1) / variance)


def sparse_motions(source: Tensor, driving: Tensor, sizes: Sequence[int], jacobian: Tensor | None = None) -> Tensor:
    """Source position of each pixel by each keypoint's motion: (B, K + 1, *sizes, n), slot 0 the identity.

    Convention: backward, driving to source: slot k at z is `J_k (z - driving_k) + source_k`.

    Args:
        source: keypoints (B, K, n), or of batch 1.
        driving: keypoints (B, K, n).
        sizes: (H, W) or (D, H, W).
        jacobian: J (B, K, n, n), or (B, 1, n, n) for all keypoints alike; the identity where None.
    """
    grid = corner_grid(sizes, driving)
    extra = (1,) * len(sizes)
    offset = grid - driving.view(*driving.shape[:2], *extra, -1)
    if jacobian is not None:
        spread = jacobian.view(*jacobian.shape[:2], *extra, *jacobian.shape[-2:])
        offset = (spread * offset.unsqueeze(-2)).sum(-1)
    motions = offset + source.view(*source.shape[:2], *extra, -1)
    identity = grid.expand(len(driving), 1, *grid.shape)
    return torch.cat((identity, motions), dim=1)


def multiply_matrices(a: Tensor, b: Tensor) -> Tensor:
    """Matrix products (..., m, p) of small matrices (..., m, n) and (..., n, p) that mixed precision leaves exact."""
    return (a.unsqueeze(-1) * b.unsqueeze(-3)).sum(-2)


def hull_ratio(source: Tensor, reference: Tensor) -> Tensor:
    """Root of the ratio of the convex hulls' contents (..., 1, 1) of keypoints (..., K, n), broadcast.

    Areas in the plane. In space volumes, of which a cube root would be the size's ratio; Face-vid2vid's released code
    takes the square root there, too (`animate.py`), and its results depend on it.
    """
    ratio = np.sqrt(_hull_contents(source) / _hull_contents(reference))
    return torch.from_numpy(ratio).to(source)[..., None, None]


def _hull_contents(points: Tensor) -> NDArray[np.float64]:
    """Contents (...) of the convex hulls of keypoints (..., K, n)."""
    faces = points.detach().cpu().double().numpy()
    contents = [ConvexHull(face).volume for face in faces.reshape(-1, *faces.shape[-2:])]
    return np.array(contents).reshape(faces.shape[:-2])


def draw_points(image: Tensor, points: Tensor, radius: float = 0.03) -> Tensor:
    """Images (B, 3, H, W) in [-1, 1] with a disc on every keypoint (B, K, 2 or 3), each keypoint in its own colour.

    Args:
        image: what is drawn on; it stays unchanged.
        points: keypoints; their depth is not shown.
        radius: of a disc, the image being 2 wide.
    """
    grid = corner_grid(image.shape[-2:], points)
    near = (grid - points[:, :, None, None, :2]).square().sum(-1) < radius**2
    drawn = image
    for index, colour in enumerate(_list_colours(points.shape[1], image)):
        drawn = torch.where(near[:, index : index + 1], 2 * colour.view(1, 3, 1, 1) - 1, drawn)
    return drawn


def draw_masks(mask: Tensor) -> Tensor:
    """Masks (B, K + 1, H, W) as pictures (B, 3, H, W) in [-1, 1] in the colours of their keypoints, the first black."""
    return 2 * torch.einsum("bkhw,kc->bchw", mask[:, 1:], _list_colours(mask.shape[1] - 1, mask)) - 1


def _list_colours(count: int, like: Tensor) -> Tensor:
    """(count, 3) colours in [0, 1] around the circle of hues."""
    return like.new_tensor([colorsys.hsv_to_rgb(index / count, 0.9, 1.0) for index in range(count)])
