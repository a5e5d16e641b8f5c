"""The surface of Export3D's radiance field."""

import sys

import pytest
import torch
from torch.nn import functional

from reenact.errors import ReenactError
from reenact.faces.registry import load_face_model
from reenact.models.export3d.head_bounds import HeadBounds, build_head_bounds
from reenact.models.export3d.surface import extract_surface

RADIUS = 0.3


def build_bounds(radius=RADIUS, margin=0.1, skin=0.1, count=2000):
    """A ball whose vertices lie on a spiral."""
    height = 1 - 2 * (torch.arange(count) + 0.5) / count
    angle = torch.pi * (1 + 5**0.5) * torch.arange(count)
    around = (1 - height**2).sqrt()
    normals = torch.stack([around * angle.cos(), height, around * angle.sin()], -1)
    return HeadBounds(radius * normals, normals, torch.full((count,), margin), torch.full((count,), skin))


def ball(points):
    distance = torch.linalg.vector_norm(points, dim=-1, keepdim=True)
    return 10 + 500 * (RADIUS - distance), points + 0.5


def ball_before_wall(points):
    """A red ball in front of a blue wall that it touches."""
    density, _ = ball(points)
    behind = points[..., 2:] < -0.2
    red, blue = points.new_tensor([0.9, 0.1, 0.1]), points.new_tensor([0.1, 0.1, 0.9])
    return torch.where(behind, 200.0, density), torch.where(behind, blue, red)


def measure_volume(surface):
    """Positive where triangles are counter-clockwise seen from outside."""
    return torch.linalg.det(surface.vertices[surface.faces]).sum() / 6


def is_closed(surface):
    edges = surface.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2).sort(1).values
    return (edges.unique(dim=0, return_counts=True)[1] == 2).all()


def test_a_ball_is_a_closed_sphere_with_the_colours_of_its_front():
    surface = extract_surface(ball, build_bounds(), cells=40)
    distances = surface.vertices.norm(dim=1)
    torch.testing.assert_close(distances, torch.full_like(distances, RADIUS), atol=0.01, rtol=0)
    assert measure_volume(surface) == pytest.approx(4 / 3 * torch.pi * RADIUS**3, rel=0.05)  # smoothing takes 3 %
    assert is_closed(surface)
    front = surface.vertices[:, 2] > RADIUS / 2
    torch.testing.assert_close(surface.colours[front], surface.vertices[front] + 0.5, atol=0.05, rtol=0)
    assert surface.colours[:, 2].min() > 0.5  # the back has the colours of the rim


def test_a_wall_behind_the_head_is_cut_at_the_margin():
    surface = extract_surface(ball_before_wall, build_bounds(margin=0.05), cells=40)
    distances = surface.vertices.norm(dim=1)
    assert distances.max() < RADIUS + 0.06
    front = surface.vertices[:, 2] > -0.15
    torch.testing.assert_close(distances[front], torch.full_like(distances[front], RADIUS), atol=0.01, rtol=0)
    assert is_closed(surface)
    assert surface.colours[:, 0].min() > 0.85  # no vertex has the wall's colour
    assert surface.colours[:, 2].max() < 0.15


def test_a_hollow_head_is_solid_below_its_skin():
    """A field that has a face alone, as thick as a few cells, gives a closed head without an inner surface."""

    def shell(points):
        density, colour = ball(points)
        inside = torch.linalg.vector_norm(points, dim=-1, keepdim=True) < RADIUS - 0.05
        return torch.where(inside | (points[..., 2:] < 0), -10.0, density), colour

    surface = extract_surface(shell, build_bounds(skin=0.04), cells=40)
    assert surface.vertices.norm(dim=1).min() > RADIUS - 0.06
    assert measure_volume(surface) > 0.8 * 4 / 3 * torch.pi * RADIUS**3
    assert is_closed(surface)


def test_parts_that_are_apart_from_the_head_are_left_out():
    def ball_with_speck(points):
        density, colour = ball(points)
        speck = (points - points.new_tensor([0, 0, 0.39])).norm(dim=-1, keepdim=True) < 0.03
        return torch.where(speck, 200.0, density), colour

    surface = extract_surface(ball_with_speck, build_bounds(margin=0.15), cells=60)
    assert surface.vertices.norm(dim=1).max() < RADIUS + 0.01


def test_bounds_hold_the_head_of_an_expression_upright():
    head = load_face_model("head")
    params = head.neutral(1)
    params.global_pose[0, 1], params.jaw_pose[0, 0] = 0.5, 0.2
    middle = head.mean_vertices.mean(0)
    bounds = build_head_bounds(head, params, middle, 0.5)
    open_mouth = 0.5 * bounds.vertices + middle - head.mean_vertices
    assert open_mouth.abs().amax() < 0.03
    assert open_mouth[:, 1].min() < -0.01
    nose = head.landmarks68(bounds.vertices)[30]
    away = functional.normalize(nose, dim=0)
    room, depth = bounds.measure_room(torch.stack([nose + 0.01 * away, nose + 0.2 * away, torch.zeros(3)]))
    assert room[0] > 0 > room[1]
    assert depth[0] < 0 < depth[2]
    low, high = bounds.span_box()
    assert low[1] == bounds.vertices[:, 1].min()  # a neck ends with the mesh
    assert high[1] > bounds.vertices[:, 1].max()
    back, forehead = bounds.normals[:, 2] < -0.5, head.region("forehead") & (bounds.normals[:, 2] > 0.5)
    assert (bounds.margins[back] * 0.5).max() == pytest.approx(0.01)
    assert bounds.skins[back].max() == 0  # nothing tells what is behind a face
    assert (bounds.margins[forehead] * 0.5).min() == pytest.approx(0.035)


def test_thin_air_has_no_surface():
    with pytest.raises(ReenactError, match="nowhere as dense as 10"):
        extract_surface(lambda points: (points[..., :1], points), build_bounds(), cells=8)


def test_the_package_is_named_where_it_is_absent(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage.measure", None)
    with pytest.raises(ReenactError, match=r"needs scikit-image: pip install 'reenact-zoo\[surface\]'"):
        extract_surface(ball, build_bounds(), cells=8)
