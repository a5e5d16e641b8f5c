"""Controls of motions: what every method that lists one must do, and motions that hold parameters."""

from dataclasses import dataclass, fields, replace

import pytest
import torch
from torch import Tensor
from zoo import FIRST, portrait

from reenact.errors import ReenactError
from reenact.faces.fields import TensorFields
from reenact.faces.params import FaceParams
from reenact.faces.registry import load_face_model
from reenact.models.common.controls import EXAMPLE, ControlError, blend_fields, list_families, take_fields
from reenact.models.common.face_controls import blend_parameters, list_parameter_controls, set_parameter

METHODS = pytest.mark.parametrize("case", FIRST, ids=str, scope="module")


@pytest.fixture(scope="module")
def edited(case):
    """A network, a source with an example beside it, and motions (batch 6)."""
    torch.manual_seed(0)
    network = case.make().eval().network
    with torch.no_grad():
        state = network.encode(portrait(1, 0, "a"))
        return network, replace(state, example=network.read(portrait(1, 1, "b"))), network.read(portrait(6, 2, "c"))


def changed_fields(first: TensorFields, second: TensorFields) -> set[str]:
    names = set()
    for item in fields(first):
        before, after = getattr(first, item.name), getattr(second, item.name)
        if isinstance(before, TensorFields):
            same = not changed_fields(before, after)
        else:
            same = torch.equal(before, after) if isinstance(before, Tensor) else before == after
        names |= set() if same else {item.name}
    return names


def able(network, state) -> dict:
    return {name: control for name, control in network.controls().items() if control.requires in ("", EXAMPLE)}


@METHODS
@torch.no_grad()
def test_a_control_is_set_at_both_ends_and_changes_its_part_alone(edited):
    network, state, motion = edited
    for name, control in able(network, state).items():
        own_fields = network.parts[control.part] if control.part else ("shape",)
        ends = [network.set_control(state, motion, name, value) for value in (control.low, control.high)]
        middle = network.set_control(state, motion, name, (control.low + control.high) / 2)
        for end in ends:
            assert changed_fields(motion, end) <= set(own_fields), name
            assert all(getattr(end, field).isfinite().all() for field in own_fields), name
        assert changed_fields(ends[0], middle), name


@METHODS
@torch.no_grad()
def test_controls_and_blends_take_any_leading_dimensions(edited):
    network, state, motion = edited
    clips = motion.map(lambda tensor: tensor.unflatten(0, (2, 3)))
    for name, control in able(network, state).items():
        flat = network.set_control(state, motion, name, control.high)
        shaped = network.set_control(state, clips, name, control.high)
        assert not changed_fields(flat, shaped.map(lambda tensor: tensor.flatten(0, 1))), name
    flat = network.blend_motions(motion[:3], motion[3:], 0.25)
    first, second = (half.map(lambda tensor: tensor[None]) for half in (motion[:3], motion[3:]))
    assert not changed_fields(flat, network.blend_motions(first, second, 0.25)[0])


@METHODS
def test_a_blend_is_exact_at_its_ends_and_moves_everything_between(edited):
    network, _, motion = edited
    first, second = motion[:3], motion[3:]
    assert not changed_fields(first, network.blend_motions(first, second, 0.0))
    assert not changed_fields(second, network.blend_motions(first, second, 1.0))
    assert not changed_fields(first, network.blend_motions(first, first, 1.0))
    between = network.blend_motions(first, second, 0.5)
    moving = changed_fields(first, second)
    assert moving
    assert changed_fields(first, between) == changed_fields(between, second) == moving


@METHODS
def test_an_unknown_control_and_values_out_of_range_are_refused(edited):
    network, state, motion = edited
    name = type(network).__name__
    with pytest.raises(ControlError, match=rf"^nose: {name} has no (such control; it has |controls, since)") as caught:
        network.set_control(state, motion, "nose", 1.0)
    assert all(family in str(caught.value) for family in list_families(network.controls()))
    for name, control in network.controls().items():
        if control.limited:
            with pytest.raises(ControlError, match=f"^{name} .* is out of range: give"):
                network.set_control(state, motion, name, control.high + 1)
            with pytest.raises(ControlError, match="is out of range: give"):
                network.set_control(state, motion, name, float("nan"))
        if control.requires:
            with pytest.raises(ReenactError, match="give"):
                network.set_control(replace(state, example=None), motion, name, control.low)


@dataclass
class DepthMotion(TensorFields):
    """Face parameters inside a motion."""

    params: FaceParams
    depth: Tensor
    flags: Tensor


def test_motions_that_hold_parameters_are_edited_by_the_same_functions():
    head = load_face_model("head")
    draw = torch.Generator().manual_seed(0)
    neutral = head.neutral(2)
    moved = replace(neutral, global_pose=torch.rand(2, 3, generator=draw), jaw_pose=torch.rand(2, 3, generator=draw))
    motion = DepthMotion(neutral, torch.zeros(2, 1), torch.tensor([True, False]))
    edited = replace(motion, params=set_parameter(motion.params, "jaw_open", 10.0, head, "Depth"))
    assert changed_fields(motion, edited) == {"params"}
    other = DepthMotion(moved, torch.ones(2, 1), torch.tensor([False, True]))
    half = replace(blend_fields(motion, other, 0.5), params=blend_parameters(motion.params, other.params, 0.5))
    assert half.depth.tolist() == [[0.5], [0.5]]
    assert torch.equal(half.flags, motion.flags)
    torch.testing.assert_close(half.params.global_pose, moved.global_pose / 2)


def test_numbers_of_named_coefficients_and_families():
    head = load_face_model("head")
    by_number, by_name = (
        set_parameter(head.neutral(), name, 0.5, head, "m") for name in ("expression.1", "expression.smile_right")
    )
    assert by_number.expression[0, 1] == 0.5
    assert not changed_fields(by_number, by_name)
    families = list_families(list_parameter_controls(head))
    assert families[:3] == ["yaw", "pitch", "roll"]
    assert families[-1].startswith("expression.{smile_left, smile_right, ")
    assert list_families(["a", "shape.0", "shape.1", "shape.2"]) == ["a", "shape.0 to shape.2"]


def test_tuples_of_tensors_blend_and_have_leading_dimensions():
    @dataclass
    class Pyramid(TensorFields):
        levels: tuple[torch.Tensor, ...]

    low, high = Pyramid((torch.zeros(2, 3),)), Pyramid((torch.ones(2, 3),))
    assert torch.equal(blend_fields(low, high, 0.25).levels[0], torch.full((2, 3), 0.25))
    assert low.first_tensor().shape == (2, 3)


def test_fields_are_taken_from_nested_motions():
    @dataclass
    class Inner(TensorFields):
        pose: torch.Tensor
        shape: torch.Tensor

    @dataclass
    class Outer(TensorFields):
        inner: Inner

    taken = take_fields(
        Outer(Inner(torch.zeros(2, 3), torch.zeros(2, 1))), Outer(Inner(torch.ones(1, 3), torch.ones(1, 1))), {"pose"}
    )
    assert torch.equal(taken.inner.pose, torch.ones(2, 3))
    assert torch.equal(taken.inner.shape, torch.zeros(2, 1))
