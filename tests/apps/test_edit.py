import ast
from collections.abc import Callable
from inspect import signature
from pathlib import Path

import numpy as np
import pytest

from reenact.apps.animate import animate
from reenact.apps.edit import edit
from reenact.apps.edit_options import EditOptions
from reenact.apps.provenance import read_mark
from reenact.apps.watermark import detect_watermark
from reenact.cli import main
from reenact.errors import ReenactError
from reenact.media.pictures import read_image, write_image
from reenact.media.video import VideoReader, probe_video
from reenact.models.common.controls import Control
from reenact.models.pwm.network import PWM
from reenact.world import World

from .conftest import FRAME, SIZE, known_clip

APPS = Path(__file__).resolve().parents[2] / "reenact" / "apps"
Known = Callable[[str, np.ndarray], None]


def test_no_edit_is_the_reconstruction(
    tmp_path: Path, checkpoint: Path, clips: Path, known_faces: Known, self_reconstruction: Callable[[Path], np.ndarray]
) -> None:
    edit(checkpoint, clips / "0.png", tmp_path / "out.png", watermark=False, device="cpu")
    np.testing.assert_array_equal(read_image(tmp_path / "out.png"), self_reconstruction(clips / "0.png")[0])


def test_options_change_the_picture(tmp_path: Path, checkpoint: Path, clips: Path, known_faces: Known) -> None:
    def picture(settings) -> np.ndarray:
        out = tmp_path / "out.png"
        edit(checkpoint, clips / "0.png", out, set=settings, overwrite=True, watermark=False, device="cpu")
        return read_image(out).astype(int)

    plain = picture({})
    for settings in ({"yaw": 25.0}, {"jaw-open": 15.0}, ["shape.0=2"], ["exp.0=1"], {"scale": 6.0}):
        assert np.abs(picture(settings) - plain).max() > 0, settings
    np.testing.assert_array_equal(picture({"yaw": 3, "frontalize": True}), picture(["frontalize=yes", "yaw=3"]))
    np.testing.assert_array_equal(picture({"frontalize": True}), picture({"yaw": 0.0, "pitch": 0.0, "roll": 0.0}))


def test_the_pose_of_a_picture_and_a_neutral_face(
    tmp_path: Path, checkpoint: Path, clips: Path, world: World, known_faces: Known
) -> None:
    def picture(**settings) -> np.ndarray:
        edit(checkpoint, clips / "0.png", out, set=settings, overwrite=True, watermark=False, device="cpu")
        return read_image(out)

    out, driving = tmp_path / "out.png", tmp_path / "3.png"
    write_image(driving, world.sequence(3, 0, [0], FRAME)[0][0])
    animate(checkpoint, clips / "0.png", driving, out, motion="pose", watermark=False, device="cpu")
    posed = read_image(out)
    np.testing.assert_array_equal(picture(pose_from=driving), posed)
    assert np.abs(posed.astype(int) - picture()).max() > 0
    numbers = known_clip(world, clips / "0.png").params.expression.shape[1]
    rest = {"jaw_open": 0.0, "jaw_yaw": 0.0, "jaw_roll": 0.0}
    rest |= {f"{side}_eye_{angle}": 0.0 for side in ("left", "right") for angle in ("yaw", "pitch")}
    still = picture(**{f"expression.{i}": 0 for i in range(numbers)}, **rest)
    assert np.abs(still.astype(int) - picture()).max() > 0
    assert np.abs(picture(neutral="expression").astype(int) - still).max() <= 1  # angles go through Euler's and back


def test_script_gives_a_video(tmp_path: Path, checkpoint: Path, clips: Path, known_faces: Known) -> None:
    script = tmp_path / "nod.txt"
    script.write_text("global_pose pitch 10\nframes 5\nreset\nframes 4\n")
    made = edit(
        checkpoint,
        clips / "0.png",
        tmp_path / "out.mp4",
        script=script,
        device="cpu",
        options=EditOptions(fps=24, side_by_side=True),
    )
    assert made.frames == sum(1 for _ in VideoReader(tmp_path / "out.mp4")) == 9
    info = probe_video(tmp_path / "out.mp4")
    assert (info.width, info.height, info.fps) == (2 * SIZE, SIZE + 18, 24)
    assert read_mark(tmp_path / "out.mp4")["method"] == "pwm"
    assert "9 faces\nthe checkpoint was trained on the synthetic world alone" in str(made)
    with pytest.raises(ReenactError, match="the script has 9 frames; name it"):
        edit(checkpoint, clips / "0.png", tmp_path / "out.png", script=script, device="cpu")


def test_sweep_gives_a_grid_or_a_video(tmp_path: Path, checkpoint: Path, clips: Path, known_faces: Known) -> None:
    options = EditOptions(columns=3)
    for name in ("grid.png", "sweep.mp4"):
        made = edit(checkpoint, clips / "0.png", tmp_path / name, sweep="yaw:-20:20:5", device="cpu", options=options)
        assert made.frames == 5
    assert read_image(tmp_path / "grid.png").shape == (2 * (SIZE + 18), 3 * SIZE, 3)
    assert detect_watermark(tmp_path / "grid.png").present
    assert sum(1 for _ in VideoReader(tmp_path / "sweep.mp4")) == 5


def test_options_that_cannot_be_used(tmp_path: Path, checkpoint: Path, clips: Path, known_faces: Known) -> None:
    script = tmp_path / "bad.txt"
    script.write_text("global_pose yaw 3\nnose yaw 3\n")
    wide = tmp_path / "wide.txt"
    wide.write_text("jaw_open -181\n")
    cases = [
        ({"set": ["expression.0:1"]}, "--set expression.0:1: write NAME=VALUE"),
        ({"set": {"expression.frobnicate": 1}}, "--set expression.frobnicate: no coefficient 'frobnicate'"),
        ({"set": {"yaw": float("inf")}}, "--set yaw: 'inf' is not a number"),
        (
            {"set": {"nose": 1}},
            "--set nose: PWM has no such control; it has yaw, pitch, roll, .*expression.{smile_left,",
        ),
        ({"set": {"jaw_opn": 1}}, "--set jaw_opn: PWM has no such control; did you mean jaw_open"),
        ({"set": {"neutral": "grim"}}, "--set neutral: 'grim' is no such face; known: expression, canonical"),
        ({"set": {"frontalize": "maybe"}}, "--set frontalize: 'maybe' is neither true nor false"),
        ({"set": {"expression_vae": clips / "0.png"}}, "--set expression_vae is for mmfa and .* is of pwm"),
        ({"script": script}, r"bad\.txt line 2: unknown name 'nose'"),
        ({"script": tmp_path / "none.txt"}, "--script .* can't be read"),
        ({"script": script, "sweep": "yaw:0:1:2"}, "cannot be given together"),
        ({"set": {"pose_from": clips / "0.png", "frontalize": True}}, "--set pose_from and --set frontalize: give one"),
        ({"set": {"pose_from": clips / "1.mp4"}}, "--set pose_from .* is a video"),
        ({"sweep": "yaw:0:1"}, "--sweep yaw:0:1"),
        ({"set": {"yaw": 1000}}, "--set yaw 1000 is out of range: give -180 to 180"),
        ({"set": {"scale": 0}}, "--set scale 0 is out of range: give 0.9.* to 90"),
        ({"set": {"scale": -9}}, "--set scale -9 is out of range"),
        ({"set": {"shape.0": 11}}, "--set shape.0 11 is out of range: give -10 to 10"),
        ({"set": {"exp.0": -3.5}}, "--set expression.0 -3.5 is out of range: give -3 to 3"),
        ({"set": {"expression.smile_left": 4}}, "--set expression.smile_left 4 is out of range: give -3 to 3"),
        ({"sweep": "yaw:-190:0:3"}, "--sweep yaw -190 is out of range"),
        ({"sweep": "orbit:190:0:4"}, "--sweep orbit: yaw 190 is out of range"),
        ({"script": wide}, r"wide\.txt line 1: jaw_open -181 is out of range"),
        ({"sweep": "nose:0:1:3"}, "--sweep nose: PWM has no such control"),
        ({"face_index": -1}, "--face-index -1"),
    ]
    for options, message in cases:
        with pytest.raises(ReenactError, match=message):
            edit(checkpoint, clips / "0.png", tmp_path / "out.png", device="cpu", **options)
    with pytest.raises(ReenactError, match="is a video; edit takes a picture"):
        edit(checkpoint, clips / "1.mp4", tmp_path / "out.png", device="cpu")
    assert {path.name for path in tmp_path.iterdir()} == {"bad.txt", "wide.txt"}


@pytest.mark.parametrize(("name", "value"), [("fps", 0.0), ("fps", 1e-6), ("batch_size", 0), ("columns", -1)])
def test_options_of_the_output_out_of_range(name: str, value: float) -> None:
    with pytest.raises(ReenactError, match=f"--{name.replace('_', '-')} {value}"):
        EditOptions(**{name: value})


def test_options_of_the_command_spell_items(
    tmp_path: Path, checkpoint: Path, clips: Path, known_faces: Known, capsys: pytest.CaptureFixture[str]
) -> None:
    def picture(name: str, *words: str) -> np.ndarray:
        out = tmp_path / name
        common = ["--source", str(clips / "0.png"), "-o", str(out), "--no-watermark", "--device", "cpu"]
        assert main(["edit", "-c", str(checkpoint), *common, *words]) == 0
        return read_image(out)

    spelled = picture("a.png", "--yaw", "9", "--jaw_open", "4", "--expression", "smile_left=0.5", "--shape", "1=2")
    items = picture("b.png", "--set", "yaw=9", "jaw_open=4", "expression.smile_left=0.5", "--set", "shape.1=2")
    np.testing.assert_array_equal(spelled, items)
    python = {"yaw": 9, "jaw_open": 4, "expression.0": 0.5, "shape.1": 2}
    edit(checkpoint, clips / "0.png", tmp_path / "c.png", set=python, watermark=False, device="cpu")
    np.testing.assert_array_equal(spelled, read_image(tmp_path / "c.png"))
    capsys.readouterr()
    assert main(["controls", str(checkpoint)]) == 0
    assert " ".join(capsys.readouterr().out.splitlines()[1].split()) == (
        "yaw -180 to 180 degrees turns the head to the subject's left"
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--expression 0:1", "--expression 0:1: write NUMBER=VALUE"),
        ("--expression nose=1", "--expression nose: no coefficient 'nose'"),
        ("--jaw-open inf", "--jaw-open: expected float, got 'inf'"),
        ("--expression-from x.png", "--expression-from x.png is not a file"),
        ("--fps 0", "--fps 0.0 must be from 1 to 1000"),
        ("--batch_size 0 --fps 9", "--batch_size 0 must be at least 1"),
        ("--yaww 3", "--yaww: no such option; did you mean --yaw"),
        ("--set yaw", "--set yaw: write NAME=VALUE"),
    ],
)
def test_complaints_name_the_options_as_they_were_typed(
    words: str, message: str, tmp_path: Path, checkpoint: Path, clips: Path, known_faces: Known,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    common = ["-c", str(checkpoint), "--source", str(clips / "0.png"), "-o", str(tmp_path / "out.png")]
    assert main(["edit", *common, "--device", "cpu", *words.split()]) == 2
    assert capsys.readouterr().err.startswith(f"reenact: error: {message}")


def test_an_orbit_turns_the_head_on_an_ellipse(
    tmp_path: Path, checkpoint: Path, clips: Path, known_faces: Known
) -> None:
    made = edit(
        checkpoint, clips / "0.png", tmp_path / "orbit.mp4", sweep="orbit:20:10:4", watermark=False, device="cpu"
    )
    frames = list(VideoReader(tmp_path / "orbit.mp4"))
    assert made.frames == len(frames) == 4
    for place, settings in ((0, {"yaw": 0, "pitch": 10}), (1, {"yaw": 20, "pitch": 0}), (3, {"yaw": -20, "pitch": 0})):
        out = tmp_path / f"{place}.png"
        edit(checkpoint, clips / "0.png", out, set=settings, watermark=False, device="cpu")
        differences = [np.abs(frame.astype(int) - read_image(out)).mean() for frame in frames]
        assert int(np.argmin(differences)) == place


def test_names_of_one_method_are_its_controls_first_and_settings_else(
    tmp_path: Path, checkpoint: Path, clips: Path, known_faces: Known, monkeypatch: pytest.MonkeyPatch
) -> None:
    def picture(settings: object) -> np.ndarray:
        out = tmp_path / "out.png"
        edit(checkpoint, clips / "0.png", out, set=settings, overwrite=True, watermark=False, device="cpu")
        return read_image(out).astype(int)

    plain = picture({"yaw": 9})
    assert np.abs(picture({"yaw": 9, "network.displacement_gain": 4.0}) - plain).max() > 0
    np.testing.assert_array_equal(picture(["network.displacement_gain=1", "yaw=9"]), plain)
    with pytest.raises(ReenactError, match=r"no such setting; did you mean network\.displacement_gain"):
        picture({"network.displacment_gain": 4.0})
    with pytest.raises(
        ReenactError, match=r"--set network\.displacement_gain=big: .*; give a value of its type, float"
    ):
        picture({"network.displacement_gain": "big"})
    known, set_control = PWM.controls, PWM.set_control
    turn = Control(effect="turns the head", low=0.0, high=90.0, part="pose")
    monkeypatch.setattr(PWM, "controls", lambda self: {**known(self), "basis.4": turn})
    monkeypatch.setattr(
        PWM, "set_control", lambda *given: set_control(*given[:3], given[3].replace("basis.4", "yaw"), given[4])
    )
    np.testing.assert_array_equal(picture({"basis.4": 9}), plain)
    script = tmp_path / "turn.txt"
    script.write_text("basis.4 9")
    edit(checkpoint, clips / "0.png", tmp_path / "b.png", script=script, watermark=False, device="cpu")
    np.testing.assert_array_equal(read_image(tmp_path / "b.png"), plain)


def test_edit_has_few_parameters() -> None:
    assert len(signature(edit).parameters) <= 12


FILES = [path for name in ("edit*", "sweep", "list_controls") for path in APPS.glob(f"{name}.py")]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_editing_knows_no_method_and_no_type_of_motion(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    names |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
    modules = {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not names & {"FaceParams", "FaceModel", "runtime_checkable", "hasattr", "getattr"}
    own = (
        "reenact.models.common.face_controls",
        "reenact.models.common.head_driven",
        "reenact.nn",
        "reenact.faces.rot",
    )
    assert not [name for name in modules if name.startswith(own)]
