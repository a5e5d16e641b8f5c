"""BFM flow: recombination, fusion, switches, folding, refusals."""

from dataclasses import replace

import pytest
import torch
from zoo import CASES, pair, portrait

from reenact.errors import ReenactError
from reenact.faces.registry import load_face_model
from reenact.models.bfm_flow.completion import CompletionNetwork
from reenact.models.bfm_flow.config import BFMFlowConfig
from reenact.models.bfm_flow.folded import FoldedSpade, fold_generator
from reenact.models.bfm_flow.generator import BFMFlowGenerator
from reenact.models.bfm_flow.module import BFMFlowLosses, BFMFlowModule
from reenact.models.bfm_flow.network import BFMFlow
from reenact.models.common.base import Transfer
from reenact.nn.layout import has_inner_channels
from reenact.nn.spade import InstanceSpade
from reenact.nn.winograd import WinogradConv

TOY = {"code": 16, "motion_width": 8, "motion_largest": 16, "motion_halvings": 3, "motion_doublings": 2, "width": 8,
       "largest": 16, "halvings": 2, "blocks": 1, "hidden": 8, "window": 0, "initial_std": None}  # fmt: skip


@pytest.fixture(scope="module")
def head():
    return load_face_model("head")


@pytest.fixture
def network():
    torch.manual_seed(0)
    return CASES["bfm_flow"].make().eval().network


def count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_the_networks_have_the_papers_sizes(head):
    with torch.device("meta"):
        completion = CompletionNetwork(BFMFlowConfig(), head)
        assert count(BFMFlowGenerator(BFMFlowConfig().widths, 2, 128)) == 13_972_035
        assert count(BFMFlowGenerator(BFMFlowConfig().widths, 2, 64)) == pytest.approx(11.0e6, rel=5e-3)
    # The Basel Face Model has 70 coefficients.
    assert count(completion) + (70 - len(completion.layout)) * 7 * 256 == pytest.approx(13.46e6, rel=1e-3)


@pytest.mark.parametrize(
    ("flow", "occlusion", "render", "channels"),
    [(False, False, False, 3), (True, False, False, 4), (True, True, False, 5), (True, True, True, 5)],
)
@torch.no_grad()
def test_needs_and_pictures_follow_the_switches(head, flow, occlusion, render, channels):
    network = BFMFlow(BFMFlowConfig(**TOY, flow=flow, occlusion=occlusion, render=render), head).eval()
    assert (network.needs.texture, network.needs.light) == (render, render)
    assert not network.needs.mirrors
    assert network.completion.warping_net.flow_out[-1].out_channels == channels
    source = portrait(1, 0, "a")
    if not render:
        source.params = replace(source.params, texture=None, light=None)
    result = network(source, portrait(2, 1, "a"))
    optional = {"computed_flow": flow, "flow_mask": flow, "computed_occlusion": occlusion, "render": render}
    pictures = result.pictures()
    assert {name for name in optional if name in pictures} == {name for name, on in optional.items() if on}


@torch.no_grad()
def test_identity_texture_and_light_are_the_source_s(network):
    source, driving = portrait(1, 0, "a"), portrait(2, 1, "b")
    state, motion = network.encode(source), network.read(driving)
    other = replace(motion, shape=motion.shape + 1, texture=motion.texture + 0.2, light=motion.light * 2)
    assert torch.equal(network.perform(state, motion).image, network.perform(state, other).image)
    moved = replace(state, motion=replace(state.motion, shape=state.motion.shape + 1))
    assert not torch.equal(network.perform(state, motion).image, network.perform(moved, motion).image)


@torch.no_grad()
def test_masks_choose_between_prediction_and_computation(network):
    source, driving = portrait(1, 0, "a"), portrait(2, 1, "a")
    head = network.completion.warping_net.flow_out[-1]
    head.weight.zero_()
    head.bias.copy_(torch.tensor([1.0, 2.0, 30.0, -60.0, -60.0]))  # the masks are 0: all is computed
    result = network(source, driving)
    torch.testing.assert_close(result.flow, result.computed_flow)
    torch.testing.assert_close(result.occlusion, result.computed_occlusion)
    head.bias[3:] = 60.0  # all is predicted; a flow of 1 is a pixel of the 16 x 16 output
    result = network(source, driving)
    torch.testing.assert_close(result.flow[:, 0], torch.full((2, 32, 32), 2 / 15))
    torch.testing.assert_close(result.occlusion, torch.ones(2, 1, 32, 32))


@torch.no_grad()
def test_a_face_in_its_own_pose_stays_where_it_is(network):
    source = portrait(2, 0, "a")
    result = network(source, source)
    assert result.computed_flow.abs().max() < 1e-4
    covered = (result.render != -1).any(1, keepdim=True)
    assert covered.float().mean() > 0.2
    assert result.computed_occlusion[covered].mean() > 0.98
    assert result.computed_occlusion[..., :2, :2].max() == 0


@pytest.mark.parametrize(("mode", "still"), [("pose", "expression"), ("expression", "angles")])
def test_pose_or_expression_alone_moves_guidance_and_coefficients(network, mode, still):
    state, driving = network.encode(portrait(1, 0, "a")), network.read(portrait(2, 1, "b"))
    motion = network.retarget(state, driving, Transfer(mode=mode))
    layout = network.completion.layout
    vectors = network.completion.read_coefficients(motion), network.completion.read_coefficients(state.motion)
    held = getattr(layout, still)
    if still == "angles":  # of head and neck
        held = slice(held.start, held.start + 6)
        assert torch.equal(motion.camera, state.motion.camera.expand(2, -1))
    assert torch.equal(vectors[0][:, held], vectors[1][:, held].expand(2, -1))


@torch.no_grad()
def test_both_directions_are_the_mean_of_each(network):
    batch = pair(2)
    one, both = (
        BFMFlowModule("head", BFMFlowConfig(**TOY), BFMFlowLosses(perceptual="pixels", style=0.0, both_directions=flag))
        for flag in (False, True)
    )
    both.load_state_dict(one.state_dict())
    for module in (one, both):
        module.load_losses()
        module.random = lambda: None
    there, back = (one.compute_losses(p)["content"] for p in (batch, type(batch)(batch.driving, batch.source)))
    torch.testing.assert_close(both.compute_losses(batch)["content"], (there + back) / 2)


RENDERS = {"empty": None, "inside": (5, 9, 6, 12), "corner": (0, 4, 0, 3), "whole": (0, 16, 0, 16)}


@pytest.mark.parametrize("box", RENDERS.values(), ids=RENDERS)
@torch.no_grad()
def test_a_folded_spade_computes_the_face_alone(box):
    torch.manual_seed(0)
    spade = InstanceSpade(4, 3, 6)
    x, render = torch.randn(2, 4, 16, 16), torch.full((2, 3, 16, 16), -1.0)
    if box is not None:
        top, bottom, left, right = box
        render[:, :, top:bottom, left:right] = torch.rand(2, 3, bottom - top, right - left)
    folded = FoldedSpade(spade, 0.1)
    torch.testing.assert_close(
        folded(x, render), torch.nn.functional.leaky_relu(spade(x, render), 0.1), atol=1e-5, rtol=1e-5
    )


@torch.no_grad()
def test_the_folded_generator_paints_the_same():
    torch.manual_seed(0)
    generator = BFMFlowGenerator([8, 12, 16], 2, 8).eval()
    render = torch.full((2, 3, 64, 64), -1.0)
    render[:, :, 20:45, 10:50] = torch.rand(2, 3, 25, 40)
    inputs = 0.1 * torch.randn(2, 2, 64, 64), torch.rand(2, 1, 64, 64), render
    features = generator.encode(torch.rand(1, 3, 64, 64))
    folded = fold_generator(generator)
    torch.testing.assert_close(folded.decode(features, *inputs), generator.decode(features, *inputs), atol=1e-4, rtol=0)


def test_a_source_without_texture_names_the_stage_of_prepare(network):
    source = portrait(1, 0, "a")
    source.params = replace(source.params, texture=None)
    with pytest.raises(ReenactError, match="needs texture of the source: the stage `parameters` of `reenact prepare`"):
        network.encode(source)


@pytest.mark.parametrize("size", [8, 36])
def test_sizes_that_the_networks_cannot_read_are_refused(network, size):
    source = portrait(1, 0, "a")
    source.image = source.image[..., :1].expand(-1, -1, -1, size).contiguous()
    with pytest.raises(ReenactError, match=f"multiples of 8, from 16 on, not {size}x32"):
        network.encode(source)


def test_windows_of_another_length_are_refused(network):
    state = network.encode(portrait(1, 0, "a"))
    motion = network.read(portrait(2, 1, "a")).map(lambda value: value[:, None].repeat_interleave(9, 1))
    with pytest.raises(ReenactError, match="reads windows of 25 frames, not 9"):
        network.perform(state, motion)


def test_a_driving_face_of_another_model_is_refused(network):
    state, driving = network.encode(portrait(1, 0, "a")), network.read(portrait(1, 1, "a"))
    with pytest.raises(ReenactError, match="5 expression values"):
        network.perform(state, replace(driving, expression=driving.expression[:, :5]))


def test_no_control_sets_the_identity(network):
    state = network.encode(portrait(1, 0, "a"))
    names = network.controls()
    assert "yaw" in names
    assert not [name for name in names if name.startswith("shape")]
    with pytest.raises(ReenactError, match="shape"):
        network.set_control(state, state.motion, "shape.0", 1.0)
    assert network.set_control(state, state.motion, "expression.0", 0.5).expression[0, 0] == 0.5


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"window": 5}, "window 5 gives 11 frames and 3 mapping layers read 25"),
        (
            {"motion_doublings": 5},
            r"motion_doublings 5 must be from 1 to less than --model\.network\.motion_halvings 5",
        ),
        ({"blocks": 0}, "must be 1 or more"),
    ],
)
def test_settings_that_fit_no_network_are_refused(settings, sentence):
    with pytest.raises(ReenactError, match=sentence):
        BFMFlowConfig(**settings)


def test_training_without_a_loss_is_refused():
    module = BFMFlowModule("head", BFMFlowConfig(**TOY), BFMFlowLosses(perceptual="none"))
    with pytest.raises(ReenactError, match=r"leaves no loss: set --model\.losses\.pixel 1"):
        module.check_losses()


@torch.no_grad()
def test_wide_networks_paint_the_same_by_fewer_products():
    """Several frames at once on the processor, and each alone."""
    torch.manual_seed(0)
    network = BFMFlow(
        BFMFlowConfig(**{**TOY, "width": 64, "largest": 128, "hidden": 128}), load_face_model("head")
    ).eval()
    folded = network.folded()
    assert any(isinstance(part, WinogradConv) for part in folded.modules())
    source, driving = portrait(1, 0, "a"), portrait(3, 1, "b")
    images = network(source, driving).image
    state = folded.encode(source)
    assert has_inner_channels(state.image)
    torch.testing.assert_close(folded.perform(state, folded.read(driving)).image, images, atol=1e-4, rtol=0)
    alone = folded.perform(state, folded.read(driving[1:2])).image
    torch.testing.assert_close(alone, images[1:2], atol=1e-4, rtol=0)


def test_a_source_with_another_camera_is_refused():
    source = portrait(1, 0, "a")
    source.params = replace(source.params, camera=torch.ones(1, 7))
    with pytest.raises(ReenactError, match="have 7 camera values where 3 are read: prepare them with"):
        CASES["bfm_flow-base"].make().eval().network.encode(source)
