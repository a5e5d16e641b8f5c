"""Volume rendering along rays: stratified samples, then more of them where the first ones meet matter.

Source: EG3D, `training/volumetric_rendering/renderer.py`, `ray_marcher.py` and `math_utils.py`. Convention: the depth
of a sample is its distance from the ray's origin, in lengths of the ray's direction. Density is `softplus(d - 1)` for
each length, where d, as a field gives it, may have any sign.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from reenact.nn.whole_batch import BatchDraws

Field = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Function of points (B, N, 3) that returns their density (B, N, 1) before the softplus, and their colour (B, N, K)."""

LEAST_WEIGHT = 0.01
"""Weight that is added to each interval, so that no part of a ray is left without samples."""
POINTS = 1 << 15
"""Samples that are computed at once without gradients, so that they stay in the processor's cache."""
EPSILON = 1e-5
"""Weight that keeps the distribution of samples from being empty, and its least step that is divided by."""


@dataclass(frozen=True, kw_only=True)
class RaySampling:
    """Numbers of samples of a ray (EG3D's for faces)."""

    coarse: int = 48
    """Samples at equal distances, each moved at random in training."""
    fine: int = 48
    """Samples that follow the weights of the coarse ones."""


class Rays(NamedTuple):
    """Straight pieces in space."""

    origins: Tensor
    """(B, R, 3)"""
    directions: Tensor
    """(B, R, 3)"""
    near: Tensor
    """(B, R) depth at which a ray begins."""
    far: Tensor
    """(B, R) depth at which it ends."""

    def locate(self, depths: Tensor) -> Tensor:
        """Points (B, R, N, 3) at depths (B, R, N)."""
        return self.origins[:, :, None] + depths[..., None] * self.directions[:, :, None]

    def nearest(self) -> Tensor:
        """Depth (B, R) at which a ray of a unit direction is nearest to the origin."""
        return -(self.origins * self.directions).sum(-1)

    def split(self, count: int) -> Iterator[Rays]:
        """The rays, so many of each image at a time."""
        return (Rays(*part) for part in zip(*(torch.split(field, count, 1) for field in self), strict=True))

    def joined(self) -> Rays:
        """The rays of all images as those of one."""
        return Rays(*(field.flatten(0, 1)[None] for field in self))


class Rendering(NamedTuple):
    """Sums along rays."""

    colour: Tensor
    """(B, R, K) in [-1, 1] for colours in [0, 1]; black where a ray meets nothing."""
    depth: Tensor
    """(B, R) mean depth of what a ray meets; its far end where it meets nothing."""
    opacity: Tensor
    """(B, R) share of a ray that ends before its far end, in [0, 1]."""


def limit_rays(origins: Tensor, directions: Tensor, side: float) -> Rays:
    """Cut rays to the cube of a side about the origin.

    Rays that miss the cube have no length; they begin and end where they are nearest to the origin.

    Args:
        origins: (B, R, 3).
        directions: (B, R, 3) of length 1.
        side: side of the cube.
    """
    walls = torch.stack([(sign * side / 2 - origins) / directions for sign in (-1, 1)])
    # A ray that is parallel to a wall and lies in it divides zero by zero, which fmin and fmax leave out.
    near = torch.fmin(walls[0], walls[1]).amax(-1)
    end = torch.fmax(walls[0], walls[1]).amin(-1)
    rays = Rays(origins, directions, near, end)
    closest = rays.nearest()
    hits = end > near
    return rays._replace(near=torch.where(hits, near, closest), far=torch.where(hits, end, closest))


def render_rays(field: Field, rays: Rays, sampling: RaySampling, random: BatchDraws | None = None) -> Rendering:
    """Render a field along rays.

    Args:
        field: density and colour of points.
        rays: B images of R rays.
        sampling: numbers of samples.
        random: source of the places of samples in training; without it they are fixed.
    """
    if random is not None or torch.is_grad_enabled():
        return _render_together(field, rays, sampling, random)
    count = max(1, POINTS // (len(rays.near) * (sampling.coarse + sampling.fine)))
    parts = [_render_together(field, part, sampling) for part in rays.split(count)]
    return Rendering(*(torch.cat(values, 1) for values in zip(*parts, strict=True)))


def _render_together(field: Field, rays: Rays, sampling: RaySampling, random: BatchDraws | None = None) -> Rendering:
    depths = spread_depths(rays, sampling.coarse, random)
    density, colour = _evaluate(field, rays, depths)
    if sampling.fine:
        with torch.no_grad():
            weights = weigh_intervals(depths, density)
            fine = draw_depths(depths, weights, sampling.fine, random)
        more_density, more_colour = _evaluate(field, rays, fine)
        depths, density = torch.cat([depths, fine], -1), torch.cat([density, more_density], -1)
        colour = torch.cat([colour, more_colour], -2)
    return composite_samples(depths, density, colour)


def spread_depths(rays: Rays, count: int, random: BatchDraws | None = None) -> Tensor:
    """Depths (B, R, N) at equal distances, each moved by a share of a step: half of it without random numbers."""
    batch, number = rays.near.shape
    steps = torch.arange(count, device=rays.near.device)
    shares = 0.5 if random is None else random.uniform(batch, number, count).to(rays.near)
    step = (rays.far - rays.near)[..., None] / (count - 1)
    return rays.near[..., None] + step * steps + step * shares


def draw_depths(depths: Tensor, weights: Tensor, count: int, random: BatchDraws | None = None) -> Tensor:
    """Depths (B, R, M), not in order, that follow the weights of the intervals between others.

    Args:
        depths: (B, R, N) in ascending order.
        weights: (B, R, N - 1).
        count: M.
        random: source of the quantiles; without it they are at equal distances.
    """
    middles, smooth = (depths[..., 1:] + depths[..., :-1]) / 2, _smooth_weights(weights)
    if random is None:
        quantiles = (torch.arange(count, device=depths.device).to(depths) + 0.5) / count
        quantiles = quantiles.expand(*depths.shape[:2], count).contiguous()
    else:
        quantiles = random.uniform(*depths.shape[:2], count).to(depths)
    return invert_distribution(middles, smooth, quantiles)


def _smooth_weights(weights: Tensor) -> Tensor:
    """Larger of neighbouring weights, averaged, (B, R, N - 3): the first and the last one are left out."""
    largest = F.max_pool1d(weights, 2, 1, padding=1)
    return F.avg_pool1d(largest, 2, 1)[..., 1:-1] + LEAST_WEIGHT


def invert_distribution(edges: Tensor, weights: Tensor, quantiles: Tensor) -> Tensor:
    """Places (B, R, M) below which given shares of a stepwise constant distribution lie.

    Args:
        edges: (B, R, at least N + 1) ends of the steps in ascending order; further ones are ignored, as EG3D has one.
        weights: (B, R, N) of the steps.
        quantiles: (B, R, M) in [0, 1).
    """
    weights = weights + EPSILON
    total = torch.cumsum(weights / weights.sum(-1, keepdim=True), -1)
    total = torch.cat([torch.zeros_like(total[..., :1]), total], -1)
    after = torch.searchsorted(total, quantiles, right=True)
    below, above = (after - 1).clamp_min(0), after.clamp_max(weights.shape[-1])
    start, end = total.gather(-1, below), total.gather(-1, above)
    step = torch.where(end - start < EPSILON, 1.0, end - start)
    first, last = edges.gather(-1, below), edges.gather(-1, above)
    return first + (quantiles - start) / step * (last - first)


def weigh_intervals(depths: Tensor, density: Tensor) -> Tensor:
    """Share of the light (B, R, N - 1) that each interval between samples stops.

    Args:
        depths: (B, R, N) in ascending order.
        density: (B, R, N) before the softplus, which is applied to the mean of neighbours.
    """
    middles = F.softplus((density[..., 1:] + density[..., :-1]) / 2 - 1)
    stopped = 1 - torch.exp(-middles * depths.diff(dim=-1))
    passed = torch.cumprod(1 - stopped + 1e-10, -1)
    return stopped * torch.cat([torch.ones_like(passed[..., :1]), passed[..., :-1]], -1)


def composite_samples(depths: Tensor, density: Tensor, colour: Tensor) -> Rendering:
    """Sum samples along rays; an interval has the mean colour, density and depth of its two ends.

    Args:
        depths: (B, R, N) in any order.
        density: (B, R, N) before the softplus.
        colour: (B, R, N, K).
    """
    ordered, order = depths.sort(-1)
    weights = weigh_intervals(ordered, density.gather(-1, order))
    opacity = weights.sum(-1)
    middles = (ordered[..., 1:] + ordered[..., :-1]) / 2
    depth = torch.where(opacity > 0, (weights * middles).sum(-1) / opacity, ordered[..., -1])
    # Each sample has half of the weights of its two intervals: colours, the largest tensor, need not be put in order.
    shares = (F.pad(weights, (1, 0)) + F.pad(weights, (0, 1))) / 2
    shares = torch.zeros_like(shares).scatter(-1, order, shares)
    total = torch.einsum("brn,brnk->brk", shares, colour)
    return Rendering(2 * total - 1, depth, opacity)


def _evaluate(field: Field, rays: Rays, depths: Tensor) -> tuple[Tensor, Tensor]:
    """Density (B, R, N) and colour (B, R, N, K) of a field at depths (B, R, N)."""
    density, colour = field(rays.locate(depths).flatten(1, 2))
    return density.view(depths.shape), colour.view(*depths.shape, -1)
