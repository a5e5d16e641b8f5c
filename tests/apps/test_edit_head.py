"""Edits by hand of heads that move by keypoints."""

import pytest
import torch

from reenact.apps.edit_request import parse_request
from reenact.apps.edit_script import parse_script, run_script
from reenact.apps.sweep import parse_sweep
from reenact.errors import ReenactError
from reenact.methods.registry import list_methods, load_object
from reenact.models.common.base import SourceState
from reenact.models.face_vid2vid.network import HeadMotion
from reenact.models.fomm.generator import Keypoints
from reenact.models.mmfa.network import FaceMotion
from reenact.nn.euler import angles_of, rotation_of


@pytest.fixture(scope="module")
def networks():
    """A network of each method by name."""
    toys = {method.name: load_object(method.toys)() for method in list_methods() if method.toys}
    return {name: next(iter(makers.values()))().network for name, makers in toys.items()}


def set_head(network, motion, name, value):
    return network.set_control(SourceState(motion), motion, name, value)


def face(yaw=0.0):
    degrees = torch.tensor([[yaw, 5.0, -3.0]])
    return FaceMotion(rotation_of(degrees), torch.ones(1, 1), torch.tensor([[0.1, 0.2]]), torch.ones(1, 4))


def test_one_value_is_set_and_the_rest_stays(networks):
    network = networks["mmfa"]
    motion = face(10.0)
    turned = set_head(network, motion, "yaw", -25.0)
    torch.testing.assert_close(angles_of(turned.rotation), torch.tensor([[-25.0, 5.0, -3.0]]), atol=1e-3, rtol=0)
    moved = set_head(network, set_head(network, turned, "ty", -0.5), "scale", 1.3)
    assert moved.translation.tolist() == [[pytest.approx(0.1), -0.5]]
    assert moved.scale.item() == pytest.approx(1.3)
    assert torch.equal(moved.rotation, turned.rotation)
    assert torch.equal(motion.translation, face().translation)


def test_halfway_between_two_heads(networks):
    ends = [set_head(networks["mmfa"], face(), "pitch", angle) for angle in (0.0, 20.0)]
    middle = networks["mmfa"].blend_motions(*ends, 0.5)
    assert angles_of(middle.rotation)[0, 1].item() == pytest.approx(10, abs=1e-2)


def test_what_cannot_be_set_is_refused(networks):
    head = HeadMotion(torch.eye(3)[None], torch.zeros(1, 3), torch.zeros(1, 5, 3))
    points = Keypoints(torch.zeros(1, 5, 2), torch.zeros(1, 5, 2, 2))
    cases = [
        ("mmfa", face(), "yaw", 95.0, "yaw 95 is out of range: give -90 to 90"),
        ("mmfa", face(), "scale", 0.0, "out of range: give 0.1 to 10"),
        ("mmfa", face(), "jaw_open", 5.0, "no such control; it has yaw, pitch"),
        ("face_vid2vid", head, "scale", 1.0, "no such control"),
        ("fomm", points, "tx", 0.0, "FOMM has no controls, since its motion moves as one; choose another method"),
    ]
    for name, motion, control, value, message in cases:
        with pytest.raises(ReenactError, match=message):
            set_head(networks[name], motion, control, value)


def test_rotations_are_composed_as_the_network_says(networks):
    network = networks["face_vid2vid"]
    head = HeadMotion(torch.eye(3)[None], torch.zeros(1, 3), torch.zeros(1, 5, 3))
    network.composition = "roll-pitch-yaw"
    moved = set_head(network, set_head(network, head, "pitch", 20.0), "yaw", 30.0)
    expected = rotation_of(torch.tensor([[30.0, 20.0, 0.0]]), "roll-pitch-yaw")
    torch.testing.assert_close(moved.rotation, expected, atol=1e-6, rtol=0)
    network.composition = "pitch-yaw-roll"


@pytest.mark.parametrize(
    ("edits", "message"),
    [
        (parse_request({"yaw": 95.0}, None, None).edits, "--set yaw 95 is out of range: give -90 to 90"),
        (parse_request(["jaw-open=5"], None, None).edits, "--set jaw_open: MMFA has no such control"),
        (parse_sweep("pitch:0:95:2")[1].edits, "--sweep pitch 95 is out of range"),
        (parse_sweep("cam.scale:0:1:2")[0].edits, "--sweep cam.scale 0 is out of range"),
        (parse_sweep("orbit:95:0:4")[1].edits, "--sweep orbit: yaw 95 is out of range"),
        (parse_script("tx 0.5\nty 2", "nod.txt"), "nod.txt line 2: ty 2 is out of range: give -1 to 1"),
        (parse_script("global_pose roll 95", "nod.txt"), "nod.txt line 1: global_pose roll 95 is out of range"),
    ],
)
def test_a_refusal_names_the_control_as_it_was_typed(edits, message, networks):
    with pytest.raises(ReenactError) as caught:
        run_script(networks["mmfa"], SourceState(face()), edits, face(), face())
    assert str(caught.value).startswith(message)
