"""Edits by hand of heads that move by keypoints."""

import pytest
import torch

from reenact.apps.edit import _build_named_edits
from reenact.apps.edit_expression import Expressions
from reenact.apps.edit_head import between_heads
from reenact.apps.edit_head import set_head as set_known_head
from reenact.apps.edit_script import parse_script, run_script
from reenact.apps.sweep import parse_sweep
from reenact.errors import ReenactError
from reenact.models.face_vid2vid.network import HeadMotion
from reenact.models.fomm.generator import Keypoints
from reenact.models.mmfa.network import FaceMotion
from reenact.nn.euler import angles_of, rotation_of


def set_head(motion, name, key, value):
    return set_known_head(motion, name, key, value, Expressions("", torch.empty(0), None, None))


def face(yaw=0.0):
    degrees = torch.tensor([[yaw, 5.0, -3.0]])
    return FaceMotion(rotation_of(degrees), torch.ones(1, 1), torch.tensor([[0.1, 0.2]]), torch.ones(1, 4))


def test_one_value_is_set_and_the_rest_stays():
    motion = face(10.0)
    turned = set_head(motion, "global_pose", "yaw", -25.0)
    torch.testing.assert_close(angles_of(turned.rotation), torch.tensor([[-25.0, 5.0, -3.0]]), atol=1e-3, rtol=0)
    moved = set_head(set_head(turned, "cam", "ty", -0.5), "cam", "scale", 1.3)
    assert moved.translation.tolist() == [[pytest.approx(0.1), -0.5]]
    assert moved.scale.item() == pytest.approx(1.3)
    assert torch.equal(moved.rotation, turned.rotation)
    assert torch.equal(motion.translation, face().translation)


def test_halfway_between_two_heads():
    middle = between_heads(
        set_head(face(), "global_pose", "pitch", 0.0), set_head(face(), "global_pose", "pitch", 20.0), 0.5
    )
    assert angles_of(middle.rotation)[0, 1].item() == pytest.approx(10, abs=1e-2)


def test_what_cannot_be_set_is_refused():
    head = HeadMotion(torch.eye(3)[None], torch.zeros(1, 3), torch.zeros(1, 5, 3))
    cases = [
        (face(), "global_pose", "yaw", 95.0, "out of range: give -90 to 90"),
        (face(), "cam", "scale", 0.0, "out of range: give 0.1 to 10"),
        (face(), "jaw_pose", "pitch", 5.0, "no such control; use yaw, pitch"),
        (head, "cam", "scale", 1.0, "no such control"),
        (Keypoints(torch.zeros(1, 5, 2), torch.zeros(1, 5, 2, 2)), "cam", "tx", 0.0, "move as one"),
    ]
    for motion, name, key, value, message in cases:
        with pytest.raises(ReenactError, match=message):
            set_head(motion, name, key, value)


@pytest.mark.parametrize(
    ("edits", "message"),
    [
        (_build_named_edits({"yaw": 95.0}), "--yaw 95 is out of range: give -90 to 90"),
        (_build_named_edits({"jaw_open": 5.0}), "--jaw_open: the method has no such control"),
        (parse_sweep("pitch:0:95:2").edits(), "--sweep pitch 95 is out of range"),
        (parse_sweep("cam.scale:0:1:2").edits(), "--sweep cam.scale 0 is out of range"),
        (parse_script("tx 0.5\nty 2", "nod.txt"), "nod.txt line 2: ty 2 is out of range: give -1 to 1"),
        (parse_script("global_pose roll 95", "nod.txt"), "nod.txt line 1: global_pose roll 95 is out of range"),
    ],
)
def test_a_refusal_names_the_control_as_it_was_typed(edits, message):
    with pytest.raises(ReenactError) as caught:
        run_script(edits, face(), Expressions("", torch.zeros(1), None, None), face())
    assert str(caught.value).startswith(message)
