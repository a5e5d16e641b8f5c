import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reenact.faces.camera import carry_camera, cast_rays, project
from reenact.faces.crop import Crop

crops = st.builds(Crop, st.floats(-200, 400), st.floats(-200, 400), st.floats(20, 900), st.integers(16, 512))


def points(count=50):
    return 0.1 * torch.randn(1, count, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


ORTHOGRAPHIC = torch.tensor([[8.0, 0.01, -0.03]], dtype=torch.float64)
PERSPECTIVE = torch.tensor([[9.0, 9.1, 0.1, -0.2, 0.01, 0.02, -1.3]], dtype=torch.float64)


def test_orthographic_is_decas():
    (x, y, z), (s, tx, ty) = points()[0].T, ORTHOGRAPHIC[0]
    expected = torch.stack([s * (x + tx), -s * (y + ty), -s * z], -1)
    torch.testing.assert_close(project(points(), ORTHOGRAPHIC)[0], expected)


def test_perspective_is_deep3ds():
    """Facts of Deep3D: u = 1015 x / d + 112 on 224 pixels, v up, d = 10 - z, after V = S R + t."""
    shift = torch.tensor([0.3, -0.2, 0.4], dtype=torch.float64)
    x, y, z = (points()[0] + shift).T
    distance = 10 - z
    u, v = 1015 * x / distance + 112, 224 - (1015 * y / distance + 112)
    focal = 1015 / 112
    camera = torch.tensor([[focal, focal, 0, 0, *shift[:2], shift[2] - 10]], dtype=torch.float64)
    projected = project(points(), camera)[0]
    torch.testing.assert_close(projected[:, :2], torch.stack([u, v], -1) * 2 / 224 - 1)
    assert ((projected[:, 2, None] < projected[:, 2]) == (distance[:, None] < distance)).all(), "depth keeps its order"


def test_perspective_depth_is_linear_on_screen():
    ends = torch.tensor([[[-0.1, 0.05, 0.1], [0.12, 0.0, -0.2]]], dtype=torch.float64)
    share = torch.linspace(0, 1, 7, dtype=torch.float64)[:, None]
    line = project(ends[:, 0] + share * (ends[:, 1] - ends[:, 0])[None], PERSPECTIVE)[0]
    depth = line[0, 2] + (line[:, 0] - line[0, 0]) / (line[-1, 0] - line[0, 0]) * (line[-1, 2] - line[0, 2])
    torch.testing.assert_close(line[:, 2], depth)


@given(crops, crops, st.sampled_from([ORTHOGRAPHIC, PERSPECTIVE]))
def test_cameras_go_through_crops_exactly(first, second, camera):
    there = carry_camera(camera, first, second)
    in_first, in_second = project(points(), camera)[0], project(points(), there)[0]
    frame = first.to_frame(first.from_ndc(in_first[:, :2]))
    torch.testing.assert_close(second.to_ndc(second.to_crop(frame)), in_second[:, :2], rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(carry_camera(there, second, first), camera, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(in_second[:, 2], in_first[:, 2] * first.size_in_frame / second.size_in_frame)


@pytest.mark.parametrize("camera", [ORTHOGRAPHIC, PERSPECTIVE])
def test_gradients(camera):
    inputs = points(3).requires_grad_(), camera.clone().requires_grad_()
    assert torch.autograd.gradcheck(project, inputs)
    crop, other = Crop(3, 4, 50, 32), Crop(-10, 2, 80, 64)
    assert torch.autograd.gradcheck(lambda value: carry_camera(value, crop, other), inputs[1:])


def test_other_cameras_are_refused():
    with pytest.raises(ValueError, match="not 6"):
        project(points(), torch.zeros(1, 6))


@pytest.mark.parametrize("camera", [ORTHOGRAPHIC, PERSPECTIVE])
def test_points_on_a_ray_are_seen_at_its_pixel(camera):
    height, width = 4, 6
    origins, directions = cast_rays(camera, (height, width))
    assert origins.shape == directions.shape == (1, height, width, 3)
    torch.testing.assert_close(directions.norm(dim=-1), torch.ones(1, height, width, dtype=torch.float64))
    assert (directions[..., 2] < 0).all(), "rays go away from the camera, into the face"
    x, y = ((2 * torch.arange(count, dtype=torch.float64) + 1) / count - 1 for count in (width, height))
    for length in (0.9, 1.4):
        seen = project((origins + length * directions).reshape(1, -1, 3), camera).reshape(height, width, 3)
        torch.testing.assert_close(seen[..., 0], x.expand(height, width))
        torch.testing.assert_close(seen[..., 1], y[:, None].expand(height, width))


def test_rays_take_leading_dimensions_and_refuse_other_cameras():
    clips = PERSPECTIVE + torch.arange(6, dtype=torch.float64).view(2, 3, 1) / 10
    origins, directions = cast_rays(clips, 5)
    flat_origins, flat_directions = cast_rays(clips.flatten(0, 1), 5)
    assert torch.equal(origins.flatten(0, 1), flat_origins)
    assert torch.equal(directions.flatten(0, 1), flat_directions)
    with pytest.raises(ValueError, match="not 6"):
        cast_rays(torch.zeros(1, 6), 5)
