"""The source carried along the mesh, from which the denoised latents of a short training count.

Not part of the paper. With the face parameters of both pictures the place in the source of every visible point of the
driving face is known. The latents are then differences to the carried source, which the denoiser also reads: what is
left to learn is small, and so is what a sampler gets wrong.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reenact.faces.guidance import displacement_map, rasterize_face
from reenact.faces.model import FaceModel
from reenact.faces.params import FaceParams
from reenact.nn.resample import identity_grid, sample_image

REACH = 16
"""Share of the picture, as its divisor, by which the flow of the mesh goes on beyond its outline."""
FALL = 0.05
"""Share of the neighbourhood on the mesh at which a pixel outside of it moves half as far."""


class CarriedReader(nn.Module):
    """Features of the carried source and of the source as it is, for the denoiser's first convolution.

    Args:
        latent: channels of the latents.
        out: channels of the features.
    """

    def __init__(self, latent: int, out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2 * latent, out, 3, padding=1)

    def forward(self, carried: Tensor, source: Tensor) -> Tensor:
        """Turn latents (N, C, h, w) of both into features (N, C0, h, w)."""
        features: Tensor = self.conv(torch.cat([carried, source], 1))
        return features


@torch.no_grad()  # meshes and pictures are data
def carry_source(face_model: FaceModel, image: Tensor, source: FaceParams, driving: FaceParams) -> Tensor:
    """Carry source pictures (N, 3, S, S) to where the faces of driving parameters (N) are.

    Args:
        face_model: the model of the parameters.
        image: the pictures.
        source: (N) their parameters.
        driving: (N) parameters of the driving faces.
    """
    size = image.shape[-1]
    vertices = face_model.posed(driving)
    face = rasterize_face(vertices, face_model.faces, size, camera=driving.camera, cull_backfaces=False)
    flow = displacement_map(face, face_model.posed(source), antialias=False)
    flow = spread_flow(flow, face.fragments.covered[:, None])
    grid = identity_grid(size, size, image) + flow.permute(0, 2, 3, 1)
    return sample_image(image, grid, padding="border")


def spread_flow(flow: Tensor, covered: Tensor) -> Tensor:
    """Continue a flow (N, 2, H, W) beyond the pixels (N, 1, H, W) that the mesh covers, where it falls to nothing."""
    reach = flow.shape[-1] // REACH
    weighted = torch.cat([flow, covered.to(flow)], 1)
    for _ in range(2):
        weighted = F.avg_pool2d(weighted, 2 * reach + 1, stride=1, padding=reach)
    return torch.where(covered, flow, weighted[:, :2] / (weighted[:, 2:] + FALL))
