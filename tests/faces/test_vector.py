"""Face parameters as one vector."""

import torch

from reenact.faces.params import FaceParams
from reenact.faces.registry import load_face_model
from reenact.faces.rotation import axis_angle_to_matrix, rotation_angle
from reenact.faces.vector import ParameterVector, head_rotation


def params(count: int = 3) -> FaceParams:
    draw = torch.Generator().manual_seed(0)
    made = load_face_model("head").neutral(count)
    return made.map(lambda value: value + 0.1 * torch.rand(value.shape, generator=draw))


def test_there_and_back():
    head = load_face_model("head")
    layout = ParameterVector(head.num_shape, head.num_expression)
    wanted = params()
    wanted.neck_pose = torch.zeros(3, 3)
    vector = layout.of(wanted)
    assert vector.shape == (3, len(layout))
    found = layout.to_params(vector, head_rotation(wanted))
    for name in ("shape", "expression", "global_pose", "jaw_pose", "eye_pose", "camera"):
        torch.testing.assert_close(getattr(found, name), getattr(wanted, name), msg=name)


def test_the_neck_turns_the_head_too():
    made = params()
    wanted = axis_angle_to_matrix(made.global_pose) @ axis_angle_to_matrix(made.neck_pose)
    torch.testing.assert_close(head_rotation(made), wanted)


def test_angles_between_rotations():
    axis = torch.nn.functional.normalize(torch.tensor([1.0, 2.0, -1.0]), dim=0)
    for degrees in (1e-3, 1.0, 90.0, 170.0):
        turn = axis_angle_to_matrix(axis.double() * torch.deg2rad(torch.tensor(degrees, dtype=torch.float64)))
        angle = rotation_angle(turn, torch.eye(3, dtype=torch.float64))
        torch.testing.assert_close(angle.item(), degrees, rtol=1e-6, atol=0)
