"""The picture of Export3D's page: a stranger turned, and the surface of the head with its colours and shaded.

    python benchmarks/studies/export3d_picture.py CHECKPOINT OUT.png [--person 1008]

The person is one of the synthetic world that the training did not see. The first row has the source and the results
from -30 to 30 degrees of yaw, the second one the surface of the same expression from -40 to 40 degrees.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from export3d_strangers import turn_head
from PIL import Image
from torch import Tensor

from reenact.data.synthetic.clips import SyntheticClips
from reenact.faces.guidance import rasterize_face
from reenact.faces.portrait import to_image
from reenact.faces.shading import weigh_normals
from reenact.models.common.checkpoint import load_method
from reenact.models.common.surface import Surface
from reenact.models.export3d.network import Export3D

SIDE = 128
"""Pixels of one picture."""
FINER = 4
"""Pixels of the drawn surface along one of the picture."""
LIGHT = (0.4, 0.5, 0.8)
"""Direction of the light that shades."""


def draw_surface(surface: Surface, yaw: float, shaded: bool) -> Tensor:
    """Picture (3, S, S) in [-1, 1] of a surface turned by degrees of yaw, before white."""
    angle = torch.tensor(yaw).deg2rad()
    turn = torch.tensor([[angle.cos(), 0, angle.sin()], [0, 1, 0], [-angle.sin(), 0, angle.cos()]])
    points = (surface.vertices - surface.vertices.mean(0)) @ turn.mT
    middle = (points.amax(0) + points.amin(0)) / 2
    # Heights of all turns are the same.
    scale = 1.8 / (points[:, 1].amax() - points[:, 1].amin())
    posed = (points - middle) * scale * points.new_tensor([1.0, -1.0, -1.0])
    face = rasterize_face(posed[None], surface.faces, SIDE * FINER)
    if shaded:
        normals = face.draw(weigh_normals(points[None], surface.faces))
        light = F.normalize(points.new_tensor(LIGHT), dim=0)
        colours = 0.3 + 0.6 * torch.einsum("bchw,c->bhw", F.normalize(normals, dim=1), light).clamp_min(0)[:, None]
    else:
        assert surface.colours is not None
        colours = face.draw(surface.colours)
    seen = face.draw(torch.ones_like(points[:, :1]))
    picture = torch.where(seen > 0.5, colours.expand(-1, 3, -1, -1), 1.0)
    return 2 * F.avg_pool2d(picture, FINER)[0] - 1


@torch.no_grad()
def main() -> None:
    """Draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--person", type=int, default=1008)
    arguments = parser.parse_args()
    network = load_method(arguments.checkpoint).network.eval()
    assert isinstance(network, Export3D)
    source = SyntheticClips(0, range(arguments.person, arguments.person + 1), 1, 1, network.config.size).read(0, [0])
    state = network.encode(source)
    straight = replace(state.motion, global_pose=torch.zeros(1, 3), neck_pose=torch.zeros(1, 3))
    turned = [network.perform(state, turn_head(straight, yaw)).image for yaw in np.linspace(-30, 30, 5)]
    first = [F.interpolate(image, (SIDE, SIDE), mode="bicubic").clamp(-1, 1)[0] for image in (source.image, *turned)]
    surface = network.build_surface(state, state.motion)
    second = [draw_surface(surface, yaw, shaded) for shaded in (False, True) for yaw in (-40, 0, 40)]
    Image.fromarray(to_image(torch.cat([torch.cat(first, 2), torch.cat(second, 2)], 1))).save(arguments.out)


if __name__ == "__main__":
    main()
