"""Face parameters as one vector."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from reenact.errors import ReenactError
from reenact.faces.bfm import angles_to_matrix, crop_camera, split_coefficients
from reenact.faces.crop import Crop
from reenact.faces.params import FaceParams
from reenact.faces.registry import load_face_model
from reenact.faces.rotation import axis_angle_to_matrix, matrix_to_axis_angle, rotation_angle
from reenact.faces.template_crop import TemplateCrop
from reenact.faces.vector import MotionVector, ParameterVector, head_rotation


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


def test_a_camera_of_another_kind_is_refused():
    head = load_face_model("head")
    perspective = replace(params(), camera=torch.ones(3, 7))
    for layout in (ParameterVector(head.num_shape, head.num_expression), MotionVector(head)):
        with pytest.raises(ReenactError, match="have 7 camera values where 3 are read"):
            layout.of(perspective)
        with pytest.raises(ReenactError, match="have 5 expression values where 39 are read"):
            layout.of(replace(params(), expression=torch.zeros(3, 5)))


def test_vectors_take_leading_dimensions():
    head = load_face_model("head")
    clips = params(6).split(3)
    for layout in (ParameterVector(head.num_shape, head.num_expression), MotionVector(head)):
        vector = layout.of(clips)
        assert vector.shape == (2, 3, len(layout))
        assert torch.equal(vector.flatten(0, 1), layout.of(params(6)))
    layout = ParameterVector(head.num_shape, head.num_expression)
    back = layout.to_params(layout.of(clips), head_rotation(clips))
    torch.testing.assert_close(back.camera, clips.camera)


@pytest.mark.parametrize("name", ["head", "flame"])
def test_motion_is_expression_then_angles_then_camera(face_models, name):
    model = face_models[name]
    layout = MotionVector(model)
    moved = model.neutral(2)
    moved.expression[:, 1] = 0.5
    moved.jaw_pose[:, 0] = 0.2
    moved.eye_pose[:, 4] = -0.1
    moved.camera[:] = torch.tensor([2.0, 0.3, -0.1])
    vector = layout.of(moved)
    assert vector.shape == (2, model.num_expression + 15 + 3)
    assert vector[0, layout.expression].nonzero().flatten().tolist() == [1]
    torch.testing.assert_close(vector[0, layout.angles].nonzero().flatten(), torch.tensor([6, 13]))
    torch.testing.assert_close(vector[0, layout.angles][[6, 13]], torch.tensor([0.2, -0.1]))
    expected = torch.tensor([2.0, 0.6, -0.2])
    expected[0] = expected[0].log()
    torch.testing.assert_close(vector[0, layout.camera], expected)


def test_motion_of_the_basel_face_model_is_pirenderers_vector(face_models, parity):
    """Expression 64, angles 3, translation 3, crop 3, of an official alignment in a picture of 256 x 240 pixels."""
    official = load_file(parity / "bfm_geometry.safetensors")
    parts = split_coefficients(official["coeffs"])
    width, height, scale, x, y = official["align.trans_params"].tolist()
    left, top, *resized = official["align.crop_box"].tolist()
    crop = TemplateCrop(
        width=int(width),
        height=int(height),
        resized_width=resized[0],
        resized_height=resized[1],
        left=left,
        top=top,
    )
    still = torch.zeros(len(official["coeffs"]), 6)
    turned = FaceParams(
        shape=parts["shape"],
        expression=parts["expression"],
        global_pose=matrix_to_axis_angle(angles_to_matrix(parts["angles"])),
        neck_pose=still[:, :3],
        jaw_pose=still[:, :3],
        eye_pose=still,
        camera=crop.carry_camera(crop_camera(parts["translation"]), Crop.whole(int(height), int(width))),
    )
    layout = MotionVector(face_models["bfm"])
    vector = layout.of(turned)
    assert vector.shape == (3, len(layout)) == (3, 73)
    expected = torch.cat([parts["expression"], parts["angles"], parts["translation"]], -1)
    torch.testing.assert_close(vector[:, :70], expected, atol=1e-5, rtol=0)
    assert vector[0, 70].item() == pytest.approx(scale, rel=5e-3)
    # The square around the picture reaches 8 pixels below it; the official code rounds the crop to whole pixels.
    below = (width - height) / 2
    torch.testing.assert_close(vector[0, 71:], torch.tensor([x, y + below]), atol=1.5, rtol=0)
