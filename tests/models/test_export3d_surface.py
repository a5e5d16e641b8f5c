"""The surface of Export3D's radiance field."""

import sys

import pytest
import torch

from reenact.errors import ReenactError
from reenact.models.export3d.surface import extract_surface

RADIUS = 0.3
LOW, HIGH = torch.full((3,), -0.5), torch.tensor([0.5, 0.5, 0.4])


def ball(points):
    distance = torch.linalg.vector_norm(points, dim=-1, keepdim=True)
    return 10 + 500 * (RADIUS - distance), points + 0.5


def test_a_ball_is_a_closed_sphere_with_the_colours_of_the_field():
    surface = extract_surface(ball, LOW, HIGH, cells=24)
    distances = surface.vertices.norm(dim=1)
    torch.testing.assert_close(distances, torch.full_like(distances, RADIUS), atol=0.01, rtol=0)
    torch.testing.assert_close(surface.colours, (surface.vertices + 0.5).clamp(0, 1), atol=1e-5, rtol=0)
    corners = surface.vertices[surface.faces]
    volume = torch.linalg.det(corners).sum() / 6  # positive where triangles are counter-clockwise seen from outside
    assert volume == pytest.approx(4 / 3 * torch.pi * RADIUS**3, rel=0.03)
    edges = surface.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2).sort(1).values
    assert (edges.unique(dim=0, return_counts=True)[1] == 2).all()


def test_a_field_that_reaches_the_walls_is_closed_there():
    surface = extract_surface(lambda points: (torch.full_like(points[..., :1], 50.0), points), LOW, HIGH, cells=40)
    corners = surface.vertices[surface.faces]
    assert torch.linalg.det(corners).sum() / 6 == pytest.approx(0.9, rel=0.15)


def test_thin_air_has_no_surface():
    with pytest.raises(ReenactError, match="nowhere as dense as 10"):
        extract_surface(lambda points: (points[..., :1], points), LOW, HIGH, cells=8)


def test_the_package_is_named_where_it_is_absent(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage.measure", None)
    with pytest.raises(ReenactError, match=r"needs scikit-image: pip install 'reenact-zoo\[surface\]'"):
        extract_surface(ball, LOW, HIGH, cells=8)
