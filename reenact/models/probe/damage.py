"""Damage to the probe's training pictures, so that it reads the imperfect pictures that methods make."""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from reenact.faces.portrait import Portrait


def reframe_portrait(portrait: Portrait, zoom: float, shift: float) -> Portrait:
    """Zoom and move each picture; landmarks and orthographic cameras follow exactly, what comes in is the edge's.

    Args:
        portrait: (B) with landmarks and face parameters.
        zoom: Largest factor of size, and its inverse the smallest.
        shift: Largest move, in normalised device coordinates.
    """
    image, params, landmarks = portrait.image, portrait.params, portrait.landmarks
    assert params is not None
    assert landmarks is not None
    count, width = len(image), image.shape[-1]
    factor = zoom ** (2 * torch.rand(count, 1, device=image.device) - 1)
    move = shift * (2 * torch.rand(count, 2, device=image.device) - 1)
    # grid_sample wants where each new point comes from: x_old = (x_new - move) / factor
    eye = torch.eye(2, device=image.device) / factor[..., None]
    grid = F.affine_grid(torch.cat([eye, -(move / factor)[..., None]], 2), list(image.shape), align_corners=False)
    scale, place = params.camera[:, :1], params.camera[:, 1:]
    moved = place + move * move.new_tensor([1.0, -1.0]) / (factor * scale)
    points = factor[:, None] * (landmarks * (2 / width) - 1) + move[:, None]
    return replace(
        portrait,
        image=F.grid_sample(image, grid.to(image), padding_mode="border", align_corners=False),
        landmarks=(points + 1) * (width / 2),
        params=replace(params, camera=torch.cat([factor * scale, moved], 1)),
    )


def spoil_images(image: Tensor) -> Tensor:
    """Pictures (B, 3, H, W) in [-1, 1]: all in other light, some blurred, some noisy, some with a patch missing."""
    count, _, height, width = image.shape
    gain = (
        1
        + 0.15 * torch.randn(count, 1, 1, 1, device=image.device)
        + 0.04 * torch.randn(count, 3, 1, 1, device=image.device)
    )
    image = (image + 1) * gain - 1
    small = F.interpolate(image, scale_factor=float(torch.empty(1).uniform_(0.3, 0.9)), mode="area")
    blurred = F.interpolate(small, (height, width), mode="bilinear", align_corners=False)
    share = _draw_share(image, 0.35) * torch.rand(count, 1, 1, 1, device=image.device)
    image = torch.lerp(image, blurred, share)
    image = image + _draw_share(image, 0.35) * 0.15 * torch.rand(1, device=image.device) * torch.randn_like(image)
    y, x = torch.meshgrid(
        torch.linspace(-1, 1, height, device=image.device), torch.linspace(-1, 1, width, device=image.device),
        indexing="ij",
    )  # fmt: skip
    centre = 2 * torch.rand(2, count, 1, 1, 1, device=image.device) - 1
    half = 0.3 * torch.rand(2, count, 1, 1, 1, device=image.device)
    patch = ((x - centre[0]).abs() < half[0]) & ((y - centre[1]).abs() < half[1])
    patch = patch & (_draw_share(image, 0.25) > 0)
    colour = 2 * torch.rand(count, 3, 1, 1, device=image.device) - 1
    return torch.where(patch, colour, image).clamp(-1, 1)


def _draw_share(image: Tensor, share: float) -> Tensor:
    """(B, 1, 1, 1) ones for a share of the pictures, zeros for the rest."""
    return (torch.rand(len(image), 1, 1, 1, device=image.device) < share).to(image.dtype)
