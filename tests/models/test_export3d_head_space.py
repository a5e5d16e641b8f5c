"""Export3D's pictures of the unposed head, and the depth of meshes."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional
from zoo import portrait

from reenact.faces.camera import cast_rays
from reenact.faces.registry import load_face_model
from reenact.models.export3d.head_space import draw_ray_depth, unpose_pictures

BOX = 0.42


@pytest.fixture(scope="module")
def head():
    return load_face_model("head")


def test_a_plane_through_the_face_lies_still_in_unposed_pictures(head):
    """Pictures whose pixels tell the place on the plane that they show become the places themselves."""
    size, params = 96, portrait(4, 0, "a").params
    skull = head.skull(params)
    origins, directions = (part.flatten(1, 2) for part in cast_rays(params.camera, size))
    origins = (origins - skull[:, None, :3, 3]) @ skull[:, :3, :3]
    directions = directions @ skull[:, :3, :3]
    middle = head.mean_vertices.mean(0)
    front = head.landmarks68(head.mean_vertices).mean(0)[2]
    points = origins + directions * ((front - origins[..., 2:]) / directions[..., 2:])
    image = ((points - middle) / (BOX / 2)).mT.reshape(4, 3, size, size)
    unposed = unpose_pictures(head, image, params, BOX)
    place = (2 * torch.arange(size) + 1) / size - 1
    right = torch.stack([*torch.meshgrid(place, -place, indexing="xy")])
    shown = functional.pad(torch.ones(4, 1, size - 4, size - 4), (2,) * 4)
    shown = unpose_pictures(head, shown, params, BOX).expand(-1, 2, -1, -1) == 1
    assert shown.float().mean() > 0.1
    torch.testing.assert_close(unposed[:, :2][shown], right.expand(4, -1, -1, -1)[shown], atol=1e-3, rtol=0)


def test_rays_meet_the_mesh_at_its_vertices(head):
    params = replace(portrait(3, 0, "a").params, expression=torch.zeros(3, head.num_expression))
    depth, seen = draw_ray_depth(head, params, 64)
    origins, directions = cast_rays(params.camera, 64)
    points = (origins + depth.movedim(1, -1) * directions).flatten(1, 2)
    for row in range(3):
        met = points[row][seen[row].flatten()]
        assert len(met) > 300
        assert torch.cdist(met[::7], head.vertices(params[row : row + 1])[0]).amin(1).max() < 0.012
