"""face-alignment's 2DFAN-4 as a differentiable reader of 68 landmarks: its heat maps' local centres of mass."""

from __future__ import annotations

import functools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reenact import assets
from reenact.errors import ReenactError
from reenact.install import install_hint
from reenact.nn.regions import cut_region, points_in_image, turned_region, whole_region

SIDE = 256
"""Side in pixels of the region that the network reads."""
REACH = 200 / 195
"""Side of a region, of the sum of width and height of the face's box (face-alignment's `crop`)."""
LIFT = 0.12
"""Height of a region's centre above the box's, in heights of the box."""
WINDOW = 2
"""Cells around a heat map's maximum that count for the centre of mass."""
PASSES = 2
"""Regions after the first, which is all of the image."""


class LandmarkHeatMaps(nn.Module):
    """68 landmarks from a network of heat maps, frozen.

    Args:
        network: maps (B, 3, 256, 256) in [0, 1] to a list of heat maps (B, 68, h, w), of which the last counts.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network.eval().requires_grad_(False)

    def forward(self, image: Tensor, region: Tensor) -> Tensor:
        """Points (B, 68, 2) in normalised device coordinates of images (B, 3, H, H) in [-1, 1], read in `region`."""
        with torch.autocast(image.device.type, enabled=False):
            maps: Tensor = self.network((cut_region(image, region, SIDE) + 1) / 2)[-1]
        return points_in_image(local_centres(maps), region)

    @torch.no_grad()
    def locate(self, image: Tensor) -> Tensor:
        """Regions (B, 2, 3) of the faces in images (B, 3, H, H) in [-1, 1]; constants, without a gradient."""
        region = whole_region(image)
        for _ in range(PASSES):
            region = region_around(self(image, region))
        return region


def local_centres(maps: Tensor) -> Tensor:
    """Centres of mass (B, N, 2) in [-1, 1] of heat maps (B, N, h, w) near their maxima; differentiable in the maps.

    A softmax over all cells is drawn to the middle by the hundreds of cells that are nearly zero.
    """
    height, width = maps.shape[-2:]
    peak = maps.flatten(2).argmax(2)
    y, x = (torch.arange(n, device=maps.device, dtype=maps.dtype) for n in (height, width))
    near_y = (y - (peak // width).unsqueeze(-1)).abs() <= WINDOW
    near_x = (x - (peak % width).unsqueeze(-1)).abs() <= WINDOW
    mass = F.relu(maps) * (near_y.unsqueeze(-1) & near_x.unsqueeze(-2))
    total = mass.sum((-2, -1)).clamp_min(1e-6)
    centres = (mass.sum(-2) * x).sum(-1) / total, (mass.sum(-1) * y).sum(-1) / total
    return torch.stack([(2 * c + 1) / n - 1 for c, n in zip(centres, (width, height), strict=True)], dim=-1)


def region_around(points: Tensor) -> Tensor:
    """The upright region (B, 2, 3) that face-alignment reads of a face whose box is that of its points (B, 68, 2)."""
    low, high = points.amin(1), points.amax(1)
    width, height = (high - low).unbind(1)
    centre = torch.stack(((low + high)[:, 0] / 2, (low + high)[:, 1] / 2 - LIFT * height), dim=1)
    upright = points.new_tensor([[1.0, 0.0]]).expand(len(points), 2)
    return turned_region(centre, REACH * (width + height) / 2, upright)


@functools.cache
def load_fan() -> LandmarkHeatMaps:
    """The network with the user's weights; the same object at every call.

    Raises:
        ReenactError: if the weights or the package face-alignment are missing, or the file is another.
    """
    path = assets.require_asset("fan2d")
    try:
        from face_alignment.models import FAN
    except ImportError as error:
        raise ReenactError(f"face-alignment is not installed: {install_hint('face-alignment')}") from error
    network = FAN(4)
    try:
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # the unpickler raises whatever a broken file leads it to
        raise ReenactError(f"{path} is damaged or not the official file: get it again") from error
    return LandmarkHeatMaps(network)
