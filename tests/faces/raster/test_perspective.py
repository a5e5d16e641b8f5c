"""Perspective-correct weights, of every backend."""

from __future__ import annotations

import pytest
import torch

from reenact.errors import ReenactError
from reenact.faces.camera import measure_distance, project
from reenact.faces.raster import correct_perspective, interpolate, rasterize

from .meshes import sphere

CAMERA = torch.tensor([[2.0, 2.2, 0.1, -0.05, 0.02, 0.01, -1.0]], dtype=torch.float64)
FACES = torch.tensor([[0, 1, 2], [0, 2, 3]])
BACKENDS = ("numba", "reference", "pytorch3d")
SIZE = (12, 10)


def sloping_sheet() -> torch.Tensor:
    """(1, 4, 3) corners of a sheet whose right side is at twice the distance of its left side."""
    corners = [[-0.31, 0.3, 0.3], [-0.29, -0.31, 0.3], [0.6, -0.3, -0.4], [0.6, 0.3, -0.4]]
    return torch.tensor([corners], dtype=torch.float64)


def draw_surface(points: torch.Tensor, backend: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Places (H, W, 3) on the sheet that the pixels show, and where they are covered."""
    projected = project(points, CAMERA)
    fragments = rasterize(projected, FACES, SIZE, backend=backend)
    corrected = correct_perspective(fragments, FACES, measure_distance(projected, CAMERA))
    return interpolate(corrected, FACES, points)[0].permute(1, 2, 0), corrected.covered[0]


@pytest.mark.parametrize("backend", BACKENDS)
def test_pixels_show_the_points_on_their_rays(backend):
    points = sloping_sheet()
    try:
        surface, covered = draw_surface(points, backend)
    except ReenactError as error:
        pytest.skip(str(error))
    assert covered.sum() > 20
    back = project(surface.reshape(1, -1, 3), CAMERA).reshape(*SIZE, 3)
    y, x = ((2 * torch.arange(count, dtype=torch.float64) + 1) / count - 1 for count in SIZE)
    torch.testing.assert_close(back[..., 0][covered], x.expand(SIZE)[covered], atol=1e-9, rtol=0)
    torch.testing.assert_close(back[..., 1][covered], y[:, None].expand(SIZE)[covered], atol=1e-9, rtol=0)
    assert not surface[~covered].any()


def test_distance_is_along_the_axis():
    points = sloping_sheet()
    expected = -(points[..., 2] + CAMERA[:, None, 6])
    torch.testing.assert_close(measure_distance(project(points, CAMERA), CAMERA), expected)


@pytest.mark.parametrize("backend", ["numba", "reference"])
def test_gradients_match_finite_differences(backend):
    points = sloping_sheet().requires_grad_()

    def shown(vertices: torch.Tensor) -> torch.Tensor:
        surface, covered = draw_surface(vertices, backend)
        return surface[covered]

    assert torch.autograd.gradcheck(shown, points, eps=1e-7, atol=1e-5)


def test_equal_distances_change_nothing_and_other_shapes_are_refused():
    projected = project(sloping_sheet(), CAMERA)
    fragments = rasterize(projected, FACES, SIZE)
    same = correct_perspective(fragments, FACES, torch.full((1, 4), 3.0, dtype=torch.float64))
    torch.testing.assert_close(same.barycentric, fragments.barycentric)
    assert torch.equal(same.depth, fragments.depth)
    with pytest.raises(ValueError, match=r"distance must have shape \(B, V\) with B = 1"):
        correct_perspective(fragments, FACES, torch.ones(2, 4))


def test_weights_without_gradients_are_those_with_them():
    vertices, faces = sphere()
    distance = 2 + vertices[None, :, 2].repeat(2, 1)
    fragments = rasterize(torch.stack([vertices, 0.5 * vertices]), faces, (40, 50))
    compiled = correct_perspective(fragments, faces, distance)
    assert not compiled.barycentric.requires_grad
    learning = correct_perspective(fragments, faces, distance.requires_grad_())
    assert learning.barycentric.requires_grad
    assert (compiled.barycentric - fragments.barycentric).abs().max() > 1e-3
    torch.testing.assert_close(compiled.barycentric, learning.barycentric.detach(), atol=1e-6, rtol=0)
