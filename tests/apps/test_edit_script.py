from inspect import signature
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from scipy.spatial.transform import Rotation

from reenact.apps.edit import edit as edit_face
from reenact.apps.edit_script import CONTROLS, Edit, Frames, Reset, apply_edit, blend_motions, parse_script, run_script
from reenact.apps.sweep import parse_sweep
from reenact.errors import ReenactError
from reenact.faces.bfm import Bfm
from reenact.faces.model import FaceModel
from reenact.faces.params import FaceParams

MODEL: Any = SimpleNamespace(
    expression_names=("smile", "frown"), shape_names=(), rotations=FaceModel.rotations, name="made"
)


def face() -> FaceParams:
    return FaceParams(
        shape=torch.zeros(1, 3),
        expression=torch.zeros(1, 4),
        global_pose=torch.tensor([[0.2, -0.3, 0.1]]),
        neck_pose=torch.zeros(1, 3),
        jaw_pose=torch.zeros(1, 3),
        eye_pose=torch.zeros(1, 6),
        camera=torch.tensor([[5.0, 0.1, 0.2]]),
    )


def euler(axis_angle: torch.Tensor) -> list[float]:
    """Yaw, pitch, roll by scipy, in the order of GDPW's demo."""
    angles: list[float] = Rotation.from_rotvec(axis_angle.squeeze(0).numpy()).as_euler("yxz", degrees=True).tolist()
    return angles


def test_reads_triplets_commands_and_comments() -> None:
    text = "exp 0 1.5  jaw_pose pitch 6 # open\n\nframes 10\nreset frames 3"
    assert parse_script(text, "s") == [
        Edit("exp", "0", 1.5),
        Edit("jaw_pose", "pitch", 6.0),
        Frames(10),
        Reset(),
        Frames(3),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("exp 0", "f line 1: 'exp' needs a key and a value"),
        ("yaw", "f line 1: 'yaw' needs a value, as in `yaw 15`"),
        ("reset jaw_open wide", "f line 1: jaw_open: 'wide' is not a number"),
        ("reset\nnose yaw 3", "f line 2: unknown name 'nose'; use one of yaw, pitch.*shape, exp"),
        ("exp 0 big", "f line 1: exp 0: 'big' is not a number"),
        ("exp 0 nan", "is not a number"),
        ("frames 0", "needs a whole number above 0"),
    ],
)
def test_malformed_scripts_name_the_line(text: str, message: str) -> None:
    with pytest.raises(ReenactError, match=message):
        parse_script(text, "f")


@pytest.mark.parametrize("angle", ["yaw", "pitch", "roll"])
@pytest.mark.parametrize("name", ["global_pose", "neck_pose", "jaw_pose"])
def test_an_angle_is_set_and_the_others_stay(name: str, angle: str) -> None:
    edited = apply_edit(face(), Edit(name, angle, 12.0), MODEL)
    index = ("yaw", "pitch", "roll").index(angle)
    expected = euler(getattr(face(), name))
    expected[index] = 12.0
    assert euler(getattr(edited, name)) == pytest.approx(expected, abs=1e-3)


def test_eyes_are_apart() -> None:
    edited = apply_edit(face(), Edit("reye_pose", "yaw", 20.0), MODEL)
    assert not edited.eye_pose[0, :3].any()
    assert euler(edited.eye_pose[:, 3:]) == pytest.approx([20, 0, 0], abs=1e-3)


def test_coefficients_by_number_and_name_and_camera() -> None:
    edited = face()
    for edit in (Edit("exp", "frown", 1.0), Edit("exp", "3", -2.0), Edit("shape", "2", 0.5), Edit("cam", "tx", 0.4)):
        edited = apply_edit(edited, edit, MODEL)
    assert edited.expression.tolist() == [[0, 1, 0, -2]]
    assert edited.shape.tolist() == [[0, 0, 0.5]]
    torch.testing.assert_close(edited.camera, torch.tensor([[5.0, 0.4, 0.2]]))
    torch.testing.assert_close(face().global_pose, edited.global_pose)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (Edit("exp", "4", 1), "no coefficient '4'; use a number from 0 to 3, or one of smile, frown"),
        (Edit("shape", "smile", 1), "no coefficient 'smile'; use a number from 0 to 2"),
        (Edit("global_pose", "tilt", 1), "unknown key 'tilt'; use one of yaw, pitch, roll"),
        (Edit("exp", "smyle", 1), "no coefficient 'smyle'; use a number from 0 to 3, or one of smile$"),
        (Edit("cam", "zoom", 1), "unknown key 'zoom'; use one of scale, tx, ty"),
    ],
)
def test_unknown_keys(edit: Edit, message: str) -> None:
    with pytest.raises(ReenactError, match=message):
        apply_edit(face(), edit, MODEL)


def test_what_a_face_model_can_not_turn_is_refused() -> None:
    stiff: Any = SimpleNamespace(rotations=Bfm.rotations, name="bfm-1a2b3c4d")
    apply_edit(face(), Edit("global_pose", "yaw", 3), stiff)
    with pytest.raises(ReenactError, match="jaw_pose pitch turns nothing of the face model bfm-1a2b3c4d; use yaw, "):
        apply_edit(face(), Edit("jaw_pose", "pitch", 3), stiff)


def test_edits_persist_until_reset_and_frames_move_between() -> None:
    start = apply_edit(face(), Edit("exp", "1", 4.0), MODEL)
    steps = parse_script("exp 0 2 frames 2 exp 2 1 frames 1 reset frames 2", "s")
    faces = run_script(steps, face(), MODEL, start)
    expected = [[1, 4, 0, 0], [2, 4, 0, 0], [2, 4, 1, 0], [1, 2, 0.5, 0], [0, 0, 0, 0]]
    torch.testing.assert_close(faces.expression, torch.tensor(expected).float())


def test_without_frames_a_script_gives_one_face() -> None:
    faces = run_script(parse_script("exp 0 2 cam scale 7", "s"), face(), MODEL, face())
    assert faces.expression.tolist() == [[2, 0, 0, 0]]
    assert faces.camera[0, 0] == 7


def test_blend_takes_the_shortest_arc() -> None:
    end = apply_edit(apply_edit(face(), Edit("global_pose", "yaw", 50.0), MODEL), Edit("exp", "0", 1.0), MODEL)
    half = blend_motions(face(), end, 0.5)
    first, last = (Rotation.from_rotvec(item.global_pose.squeeze(0).numpy()) for item in (face(), end))
    between = first * Rotation.from_rotvec((first.inv() * last).as_rotvec() / 2)
    torch.testing.assert_close(half.global_pose[0].double(), torch.from_numpy(between.as_rotvec()), atol=1e-5, rtol=0)
    torch.testing.assert_close(blend_motions(face(), end, 1.0).global_pose, end.global_pose)


def test_sweeps() -> None:
    sweep = parse_sweep("yaw:-30:30:3")
    assert sweep.edits() == [Edit("global_pose", "yaw", value) for value in (-30, 0, 30)]
    assert sweep.labels() == ["yaw -30", "yaw 0", "yaw 30"]
    assert parse_sweep("exp.smile:0:2:2").edits()[1] == Edit("exp", "smile", 2.0)


@pytest.mark.parametrize("option", CONTROLS)
def test_sweeps_and_scripts_know_the_options_by_their_names(option: str) -> None:
    edit = parse_sweep(f"{option}:0:1:2").edits()[1]
    assert (edit.name, edit.key) == CONTROLS[option]
    assert option in signature(edit_face).parameters
    assert parse_script(f"{option} 1 frames 2", "s") == [edit, Frames(2)]


def test_expression_is_a_name_of_sweeps_and_scripts() -> None:
    smile = Edit("exp", "smile", 2.0)
    assert parse_sweep("expression.smile:0:2:2").edits()[1] == smile
    assert parse_script("expression smile 2", "s") == parse_script("exp smile 2", "s") == [smile]


@pytest.mark.parametrize(
    "text", ["yaw:-30:30", "yaw:-30:30:1", "yaw:a:30:3", "nose:0:1:3", "yaw:0:1:x", "head.yaw:0:1:3", "exp.:0:1:3"]
)
def test_malformed_sweeps(text: str) -> None:
    with pytest.raises(ReenactError, match="--sweep"):
        parse_sweep(text)
