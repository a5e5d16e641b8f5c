from types import SimpleNamespace
from typing import Any

import pytest
import torch
from scipy.spatial.transform import Rotation

from reenact.apps.edit_names import FAMILIES, Edit, name_control
from reenact.apps.edit_options import COMMON_CONTROLS
from reenact.apps.edit_script import Frames, Reset, parse_script, run_script
from reenact.apps.edit_script import apply_edit as apply_to_state
from reenact.apps.sweep import parse_sweep
from reenact.errors import ReenactError
from reenact.faces.bfm import Bfm
from reenact.faces.model import FaceModel
from reenact.faces.params import FaceParams
from reenact.models.common.base import SourceState
from reenact.models.common.face_controls import blend_parameters
from reenact.models.common.parameter_driven import ParameterDriven


def face_model(rotations: tuple[str, ...] = FaceModel.rotations) -> Any:
    return SimpleNamespace(
        expression_names=("smile", "frown"),
        shape_names=(),
        rotations=rotations,
        name="made",
        num_shape=3,
        num_expression=4,
        expression_range=(0.0, 1.0),
        default_camera=lambda: torch.tensor([6.0, 0.0, 0.0]),
    )


class MeshMethod(ParameterDriven[SourceState]):
    """A method of face parameters alone, without a network."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.face_model = model

    def encode(self, source: Any) -> Any:
        raise NotImplementedError

    def perform(self, state: Any, motion: Any) -> Any:
        raise NotImplementedError


METHOD = MeshMethod(face_model())


def apply_edit(motion: FaceParams, edit: Edit, method: MeshMethod = METHOD) -> FaceParams:
    return apply_to_state(method, SourceState(motion), motion, edit)


def run(text: str, source: FaceParams, start: FaceParams) -> FaceParams:
    steps = parse_script(text, "s")
    return FaceParams.cat(run_script(METHOD, SourceState(start), steps, source, start))


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
        Edit("expression.0", 1.5),
        Edit("jaw_open", 6.0),
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
    edited = apply_edit(face(), Edit(name_control(name, angle), 12.0))
    index = ("yaw", "pitch", "roll").index(angle)
    expected = euler(getattr(face(), name))
    expected[index] = 12.0
    assert euler(getattr(edited, name)) == pytest.approx(expected, abs=1e-3)


def test_eyes_are_apart() -> None:
    edited = apply_edit(face(), Edit("right_eye_yaw", 20.0))
    assert not edited.eye_pose[0, :3].any()
    assert euler(edited.eye_pose[:, 3:]) == pytest.approx([20, 0, 0], abs=1e-3)


def test_coefficients_by_number_and_name_and_camera() -> None:
    edited = face()
    for name, value in (("exp.frown", 1.0), ("expression.3", -2.0), ("shape.2", 0.5), ("cam.tx", 0.4)):
        edited = apply_edit(edited, Edit(name_control(name), value))
    assert edited.expression.tolist() == [[0, 1, 0, -2]]
    assert edited.shape.tolist() == [[0, 0, 0.5]]
    torch.testing.assert_close(edited.camera, torch.tensor([[5.0, 0.4, 0.2]]))
    torch.testing.assert_close(face().global_pose, edited.global_pose)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (Edit("expression.4", 1), "no coefficient '4'; use a number from 0 to 3, or one of smile, frown"),
        (Edit("shape.smile", 1), "no coefficient 'smile'; use a number from 0 to 2"),
        (
            Edit("tilt", 1),
            "tilt: MeshMethod has no such control; it has yaw, pitch, roll, .*scale, tx, ty, shape.0 to shape.2",
        ),
        (Edit("expression.smyle", 1), "no coefficient 'smyle'; use a number from 0 to 3, or one of smile$"),
        (Edit("zoom", 1), "zoom: MeshMethod has no such control; it has yaw"),
    ],
)
def test_unknown_keys(edit: Edit, message: str) -> None:
    with pytest.raises(ReenactError, match=message):
        apply_edit(face(), edit)


def test_what_a_face_model_can_not_turn_is_refused() -> None:
    stiff = MeshMethod(face_model(Bfm.rotations))
    apply_edit(face(), Edit("yaw", 3), stiff)
    with pytest.raises(
        ReenactError, match="jaw_open: MeshMethod has no such control; it has yaw, pitch, roll, scale, "
    ):
        apply_edit(face(), Edit("jaw_open", 3), stiff)


def test_edits_persist_until_reset_and_frames_move_between() -> None:
    start = apply_edit(face(), Edit("expression.1", 3.0))
    faces = run("exp 0 2 frames 2 exp 2 1 frames 1 reset frames 2", face(), start)
    expected = [[1, 3, 0, 0], [2, 3, 0, 0], [2, 3, 1, 0], [1, 1.5, 0.5, 0], [0, 0, 0, 0]]
    torch.testing.assert_close(faces.expression, torch.tensor(expected).float())


def test_without_frames_a_script_gives_one_face() -> None:
    faces = run("exp 0 2 cam scale 7", face(), face())
    assert faces.expression.tolist() == [[2, 0, 0, 0]]
    assert faces.camera[0, 0] == 7


def test_blend_takes_the_shortest_arc() -> None:
    end = apply_edit(apply_edit(face(), Edit("yaw", 50.0)), Edit("expression.0", 1.0))
    half = blend_parameters(face(), end, 0.5)
    first, last = (Rotation.from_rotvec(item.global_pose.squeeze(0).numpy()) for item in (face(), end))
    between = first * Rotation.from_rotvec((first.inv() * last).as_rotvec() / 2)
    torch.testing.assert_close(half.global_pose[0].double(), torch.from_numpy(between.as_rotvec()), atol=1e-5, rtol=0)


def test_sweeps() -> None:
    sweep = parse_sweep("yaw:-30:30:3")
    assert [step.edits for step in sweep] == [(Edit("yaw", value),) for value in (-30, 0, 30)]
    assert [step.label for step in sweep] == ["yaw -30", "yaw 0", "yaw 30"]
    assert parse_sweep("exp.smile:0:2:2")[1].edits == (Edit("expression.smile", 2.0),)
    assert parse_sweep("expression:0:1:2")[1].edits == (Edit("expression.from", 1.0),)


def test_an_orbit_starts_at_its_pitch_and_goes_around_once() -> None:
    places = [tuple(edit.value for edit in step.edits) for step in parse_sweep("orbit:30:10:4")]
    assert places == [pytest.approx(place, abs=1e-9) for place in ((0, 10), (30, 0), (0, -10), (-30, 0))]
    assert [edit.control for edit in parse_sweep("orbit:30:10:4")[0].edits] == ["yaw", "pitch"]
    assert parse_sweep("orbit:30:10:4")[1].label == "yaw 30 pitch 0"


@pytest.mark.parametrize("option", [name for name in COMMON_CONTROLS if name != "scale"])
def test_sweeps_and_scripts_know_the_options_by_their_names(option: str) -> None:
    (edit,) = parse_sweep(f"{option.replace('_', '-')}:0:1:2")[1].edits
    assert edit == Edit(option, 1.0)
    assert parse_script(f"{option} 1 frames 2", "s") == [edit, Frames(2)]
    assert option in METHOD.controls()


def test_words_of_the_editing_demo_are_controls() -> None:
    keys = {"shape": "1", "exp": "smile", "expression": "smile", "cam": "tx"}
    names = {family: name_control(family, keys.get(family, "pitch")) for family in FAMILIES}
    assert set(names.values()) <= set(METHOD.controls())
    assert names["jaw_pose"] == "jaw_open"
    assert names["leye_pose"] == name_control("leye_pose.pitch") == "left_eye_pitch"
    assert parse_script("basis.4 1.5", "s") == [Edit("basis.4", 1.5)]


def test_expression_is_a_name_of_sweeps_and_scripts() -> None:
    smile = Edit("expression.smile", 2.0)
    assert parse_sweep("expression.smile:0:2:2")[1].edits == (smile,)
    assert parse_script("expression smile 2", "s") == parse_script("exp smile 2", "s") == [smile]


@pytest.mark.parametrize(
    "text",
    [
        "yaw:-30:30",
        "yaw:-30:30:1",
        "yaw:a:30:3",
        ":0:1:3",
        "yaw:0:1:x",
        "orbit:30:10",
        "orbit:30:10:1",
        "exp.:0:1:3",
        "yaw:0:1:1001",
        "orbit:30:10:1001",
        "yaw:0:1:²",
    ],
)
def test_malformed_sweeps(text: str) -> None:
    with pytest.raises(ReenactError, match="--sweep"):
        parse_sweep(text)
