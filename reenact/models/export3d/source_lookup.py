"""Blend of the rendered picture with the source, which is read where the rendered surface lies in it.

Not part of the paper. As a pixel-aligned radiance field (PixelNeRF) reads its input picture at the places of its
samples, each pixel reads the source once, at the depth that its ray was rendered with.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from reenact.faces.fields import TensorFields
from reenact.faces.model import FaceModel
from reenact.faces.params import FaceParams
from reenact.models.export3d.head_cover import draw_cover, remove_head
from reenact.models.export3d.head_space import draw_ray_depth, measure_ray_depth
from reenact.models.export3d.scaled import SLOPE
from reenact.nn.resample import sample_image

REACH = 0.02
"""Metres behind the source's mesh at which a point is hidden from the source's camera."""
LAYERS = 3
"""Pictures that are blended: rendered, carried, background."""


@dataclass(kw_only=True)
class SourceView(TensorFields):
    """A source picture with the geometry of its face."""

    image: Tensor
    """(B, 3, S, S)"""
    depth: Tensor
    """(B, 1, S, S) length in metres of the rays of `cast_rays` up to the mesh; 0 where they miss it."""
    mask: Tensor
    """(B, 1, S, S) 1 where they meet it."""
    background: Tensor
    """(B, 3, S, S) the picture without the head, which is filled in from around it."""
    cover: Tensor
    """(B, 1, S, S) 1 where the head was."""


def build_source_view(face_model: FaceModel, image: Tensor, params: FaceParams) -> SourceView:
    """Draw the mesh of parameters (B) beside their pictures (B, 3, S, S)."""
    with torch.no_grad():
        depth, mask = draw_ray_depth(face_model, params, image.shape[-1])
    mask, cover = mask.to(depth), draw_cover(face_model, params, image.shape[-1])
    background = remove_head(image, mask, cover)
    return SourceView(image=image, depth=depth * mask, mask=mask, background=background, cover=cover)


def carry_source(face_model: FaceModel, view: SourceView, params: FaceParams, points: Tensor) -> Tensor:
    """Colours (B, 3, S, S) of points of the head in the source, and the share (B, 1, S, S) in which it hides them.

    Both are channels of one tensor (B, 4, S, S). A point beyond the edges of the picture has the colour of its border.

    Args:
        face_model: the model of the parameters.
        view: the source, for one picture or for B.
        params: its parameters, as many.
        points: (B, S * S, 3) of the unposed head in metres.
    """
    count, size = len(points), view.image.shape[-1]
    skull = face_model.skull(params).to(points)
    posed = points @ skull[:, :3, :3].mT + skull[:, None, :3, 3]
    camera = params.camera.expand(count, -1)
    grid = face_model.project(posed, camera)[..., :2].view(count, size, size, 2)
    maps = torch.cat([view.image, view.depth, view.mask], 1)
    carried = sample_image(maps, grid, padding="border")
    colour, depth, mask = carried[:, :3], carried[:, 3:4], carried[:, 4:]
    behind = measure_ray_depth(posed, camera).view_as(depth) - depth / mask.clamp_min(0.5)
    return torch.cat([colour, mask * (behind / REACH).clamp(-1, 1)], 1)


class SourceBlend(nn.Module):
    """Weigh three pictures in each pixel: the rendered one, the source carried by the head, and it without the head.

    The third one shows what does not move with the head, as a background. It begins with equal weights.

    Args:
        features: channels of the maps of the super-resolution.
        width: channels of its own layers.
    """

    def __init__(self, features: int, width: int = 32) -> None:
        super().__init__()
        inside = features + 3 * LAYERS + 3
        self.layers = nn.Sequential(
            nn.Conv2d(inside, width, 3, padding=1),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(width, width, 3, padding=1),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(width, LAYERS, 3, padding=1),
        )
        for parameter in self.layers[-1].parameters():
            nn.init.zeros_(parameter)

    def forward(self, rendered: Tensor, features: Tensor, carried: Tensor, view: SourceView, cover: Tensor) -> Tensor:
        """Blend them.

        Args:
            rendered: (B, 3, S, S).
            features: (B, C, S, S) maps of the super-resolution.
            carried: (B, 4, S, S) of `carry_source`.
            view: the source, for one picture or for B.
            cover: (B, 1, S, S) of `draw_cover` for the result.
        """
        unmoved = torch.cat([view.background, view.cover], 1).expand(len(rendered), -1, -1, -1)
        weights: Tensor = self.layers(torch.cat([features, rendered, carried, unmoved, cover], 1)).softmax(1)
        pictures = torch.stack([rendered, carried[:, :3], unmoved[:, :3]], 1)
        return (weights[:, :, None] * pictures).sum(1)
