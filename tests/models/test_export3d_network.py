"""Export3D's network: its cameras, its states, and the random numbers of its rays."""

from dataclasses import replace

import pytest
import torch
from zoo import SIZE, portrait

from reenact.apps.edit_script import list_doubtful_edits
from reenact.apps.sweep import parse_sweep
from reenact.errors import ReenactError
from reenact.faces.registry import load_face_model
from reenact.models.common.expression_basis import BasisConfig
from reenact.models.export3d.network import Export3D, Export3DConfig
from reenact.nn.ray_marching import RaySampling, render_rays
from reenact.nn.whole_batch import BatchDraws

SMALL = Export3DConfig(
    size=SIZE, rays=16, sampling=RaySampling(coarse=6, fine=6), decoder=8, resolution_widths=(8, 8), stem=[4, 8, 8, 8],
    tokens=16, heads=2, blocks=1, low=8, code=6, channels=4, expression="lebs",
    basis=BasisConfig(components=3, width=6, hidden=8),
)  # fmt: skip


@pytest.fixture
def network() -> Export3D:
    torch.manual_seed(0)
    network = Export3D(SMALL, load_face_model("head"))
    for block in network.generator.blocks:  # which begin as plain ones
        torch.nn.init.normal_(block.modulation.weight)
    return network.eval()


@pytest.fixture
def head():
    return load_face_model("head")


def test_a_point_on_the_skull_is_rendered_where_the_camera_shows_it(network, head):
    network.config = replace(SMALL, rays=48)
    params = portrait(4, 0, "a").params
    params = replace(
        params, shape=torch.zeros_like(params.shape), expression=torch.zeros_like(params.expression),
        jaw_pose=torch.zeros_like(params.jaw_pose), neck_pose=0.1 * torch.randn(4, 3),
    )  # fmt: skip
    vertices = head.mean_vertices
    number = int((vertices[:, 2] + 0.1 * vertices[:, 1]).argmax())  # the nose
    middle, radius = vertices.mean(0), 0.03

    def field(points):
        distance = torch.linalg.vector_norm(points - (vertices[number] - middle) / SMALL.box, dim=-1, keepdim=True)
        return torch.where(distance < radius, 200.0, -1000.0), torch.ones_like(points)

    opacity = render_rays(field, network.place_rays(params), RaySampling(coarse=96, fine=48)).opacity.view(4, 48, 48)
    place = (2 * torch.arange(48) + 1) / 48 - 1
    total = opacity.sum((1, 2))
    centre = torch.stack([(opacity.sum(1) * place).sum(1), (opacity.sum(2) * place).sum(1)], -1) / total[:, None]
    torch.testing.assert_close(centre, head.posed(params)[:, number, :2], atol=0.03, rtol=0)


def test_the_head_lies_in_the_cube(head):
    shapes = replace(head.neutral(20), shape=2 * torch.randn(20, head.num_shape))
    middle = head.mean_vertices.mean(0)
    assert ((head.vertices(shapes) - middle).abs() / SMALL.box).max() < 0.5


def test_a_result_has_its_inside_and_a_state_serves_all_frames(network):
    source, driving = portrait(1, 0, "a"), portrait(3, 1, "a")
    with torch.no_grad():
        state = network.encode(source)
        together = network.drive(state, driving)
        pictures = together.pictures()
        assert list(pictures) == ["raw", "depth", "normals", "result"]
        assert all(picture.shape == (3, 3, SIZE, SIZE) and picture.abs().max() <= 1 for picture in pictures.values())
        for row in range(3):
            alone = network(source, driving[row : row + 1])
            torch.testing.assert_close(together.image[row : row + 1], alone.image, atol=1e-5, rtol=0)
            torch.testing.assert_close(together.depth[row : row + 1], alone.depth, atol=1e-5, rtol=0)


def test_expression_sets_the_planes_and_pose_the_view(network):
    source, params = portrait(1, 0, "a"), portrait(1, 1, "a").params
    with torch.no_grad():
        state = network.encode(source)
        planes = network.build_planes(state, params)
        turned = replace(params, global_pose=params.global_pose + 0.3, camera=params.camera * 1.1)
        assert torch.equal(network.build_planes(state, turned), planes)
        assert not torch.allclose(network.perform(state, turned).raw, network.perform(state, params).raw)
        smiling = replace(params, expression=params.expression + 1)
        assert not torch.allclose(network.build_planes(state, smiling), planes)


def test_a_ball_in_the_middle_has_its_depth_and_normals(network, head, monkeypatch):
    def decode(planes, points):
        inside = torch.linalg.vector_norm(points, dim=-1, keepdim=True) < 0.2
        return torch.where(inside, 1000.0, -1000.0), torch.zeros(*points.shape[:2], 4)

    monkeypatch.setattr(network, "_decode", decode)
    network.config = replace(SMALL, rays=33, sampling=RaySampling(coarse=64, fine=64))
    params = replace(head.neutral(1), global_pose=torch.tensor([[0.1, 0.4, 0.0]]))
    middle = (head.skull(params)[0, :3, :3] @ head.mean_vertices.mean(0)) + head.skull(params)[0, :3, 3]
    params = replace(params, camera=torch.cat([params.camera[:, :1], -middle[None, :2]], 1))
    with torch.no_grad():
        result = network.perform(network.encode(portrait(1, 0, "a")), params)
    assert result.depth[0, 0, 16, 16] == pytest.approx(-0.2, abs=0.02)
    torch.testing.assert_close(result.normals[0, :, 16, 16], torch.tensor([0.0, 0.0, 1.0]), atol=0.2, rtol=0)
    right, up = result.normals[0, :, 16, 20], result.normals[0, :, 12, 16]
    assert right[0] > 0.2 > abs(right[1])
    assert up[1] > 0.2 > abs(up[0])


def test_a_weight_of_the_basis_is_set_alone(network):
    source, driving = portrait(1, 0, "a"), portrait(3, 1, "a")
    with torch.no_grad():
        state, motion = network.encode(source), network.read(driving)
        edited = network.set_control(state, motion, "basis.1", 2.5)
        before, after = (network.expression.weigh(params) + params.offsets for params in (motion, edited))
        torch.testing.assert_close(after[:, 1], torch.full((3,), 2.5))
        assert torch.equal(after[:, [0, 2]], before[:, [0, 2]])
        torch.testing.assert_close(network.blend_motions(motion, edited, 0.5).offsets, edited.offsets / 2)
        assert not torch.allclose(network.build_planes(state, edited), network.build_planes(state, motion))
    for name, reason in {"basis.3": "no such control; did you mean", "basis.0": "25 is out of range"}.items():
        with pytest.raises(ReenactError, match=reason):
            network.set_control(state, motion, name, 25)


def test_turns_beyond_sixty_degrees_are_doubted(network):
    def list_doubts(text):
        return list_doubtful_edits(network, [edit for step in parse_sweep(text) for edit in step.edits])

    assert list_doubts("orbit:60:15:8") == []
    (doubt,) = list_doubts("orbit:75:15:8")
    assert doubt.startswith("yaw 75 is beyond 60 degrees")


def test_layers_without_a_basis_have_no_control_of_it():
    network = Export3D(replace(SMALL, expression="direct"), load_face_model("head"))
    assert not any(name.startswith("basis") for name in network.controls())
    with pytest.raises(ReenactError, match=r"basis\.0: Export3D has no such control"):
        network.set_control(None, network.read(portrait(1, 0, "a")), "basis.0", 1)


def test_frames_of_one_expression_share_a_triplane(network, monkeypatch):
    sizes, decode = [], network.generator.decode
    monkeypatch.setattr(
        network.generator, "decode", lambda tokens, *rest: sizes.append(len(tokens)) or decode(tokens, *rest)
    )
    with torch.no_grad():
        state, motion = network.encode(portrait(1, 0, "a")), network.read(portrait(1, 1, "a"))
        turned = [network.set_control(state, motion, "yaw", yaw) for yaw in (-20, 0, 20)]
        together = network.perform(state, type(motion).cat(turned)).image
        for image, params in zip(together, turned, strict=True):
            torch.testing.assert_close(image[None], network.perform(state, params).image, atol=1e-5, rtol=0)
        assert sizes == [1]
        network.perform(state, network.read(portrait(3, 1, "a")))
        network.perform(state, network.read(portrait(1, 2, "a")))
        network.perform(network.encode(portrait(1, 2, "a")), motion)
    assert sizes == [1, 3, 1, 1]


def test_a_kept_triplane_is_of_its_own_source_and_has_no_gradient(network):
    source, motion = portrait(2, 0, "a"), network.read(portrait(1, 1, "a"))
    with torch.no_grad():
        state = network.encode(source)
        first, second = state[:1], state[1:]
        planes = network.build_planes(first, motion)
        assert not torch.allclose(network.build_planes(second, motion), planes)
        assert torch.equal(network.build_planes(first, motion), planes)
    assert network.build_planes(first, motion).requires_grad


def test_rays_are_drawn_in_training_alone_and_gradients_reach_everything(network):
    source, driving = portrait(2, 0, "a"), portrait(2, 1, "a")
    network.train()

    def run(seed):
        return network(source, driving, None if seed is None else BatchDraws(torch.Generator().manual_seed(seed)))

    network.average.eval()
    assert torch.equal(run(None).image, run(None).image)
    assert torch.equal(run(1).image, run(1).image)
    assert not torch.equal(run(1).image, run(2).image)
    result = run(1)
    (result.image.square().mean() + result.raw.square().mean()).backward()
    missing = [name for name, parameter in network.named_parameters() if parameter.grad is None]
    assert not missing


def test_pictures_of_any_multiple_of_sixteen_pixels_are_read():
    """The paper's 256 is one of 32 too, which no layer needs."""
    network = Export3D(replace(SMALL, size=48), load_face_model("head")).eval()
    source = replace(portrait(1, 0, "a"), image=torch.zeros(1, 3, 48, 48))
    with torch.no_grad():
        assert network(source, source).image.shape == (1, 3, 48, 48)


def test_sizes_that_do_not_fit_are_refused(network):
    with pytest.raises(ReenactError, match="reads pictures of 32 pixels, not 64: set"):
        network.encode(replace(portrait(1, 0, "a"), image=torch.zeros(1, 3, 64, 64)))
    with pytest.raises(ReenactError, match="size 250 must be a multiple of 16"):
        Export3DConfig(size=250)
    with pytest.raises(ReenactError, match=r"basis\.width 64 and --model\.network\.code 256 must be equal"):
        Export3DConfig(basis=BasisConfig(width=64))
