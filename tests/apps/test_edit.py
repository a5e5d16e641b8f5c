from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from reenact.apps.animate import animate
from reenact.apps.edit import edit
from reenact.apps.provenance import read_mark
from reenact.apps.watermark import detect_watermark
from reenact.errors import ReenactError
from reenact.media.pictures import read_image, write_image
from reenact.media.video import VideoReader, probe_video
from reenact.world import World

from .conftest import FRAME, SIZE, known_clip

Known = Callable[[str, np.ndarray], None]


def test_no_edit_is_the_reconstruction(
    tmp_path: Path, checkpoint: Path, clips: Path, known_faces: Known, self_reconstruction: Callable[[Path], np.ndarray]
) -> None:
    edit(checkpoint, clips / "0.png", tmp_path / "out.png", watermark=False, device="cpu")
    np.testing.assert_array_equal(read_image(tmp_path / "out.png"), self_reconstruction(clips / "0.png")[0])


def test_options_change_the_picture(tmp_path: Path, checkpoint: Path, clips: Path, known_faces: Known) -> None:
    def picture(**options) -> np.ndarray:
        edit(
            checkpoint, clips / "0.png", tmp_path / "out.png", overwrite=True, watermark=False, device="cpu", **options
        )
        return read_image(tmp_path / "out.png").astype(int)

    plain = picture()
    for options in ({"yaw": 25.0}, {"jaw_open": 15.0}, {"shape": ["0=2"]}, {"expression": ["0=1"]}, {"scale": 6.0}):
        assert np.abs(picture(**options) - plain).max() > 0, options
    np.testing.assert_array_equal(picture(frontalize=True), picture(yaw=0.0, pitch=0.0, roll=0.0))


def test_the_pose_of_a_picture_and_a_neutral_face(
    tmp_path: Path, checkpoint: Path, clips: Path, world: World, known_faces: Known
) -> None:
    def picture(**options) -> np.ndarray:
        edit(checkpoint, clips / "0.png", out, overwrite=True, watermark=False, device="cpu", **options)
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
    still = picture(expression=[f"{i}=0" for i in range(numbers)], **rest)
    assert np.abs(still.astype(int) - picture()).max() > 0
    assert np.abs(picture(neutral="expression").astype(int) - still).max() <= 1  # angles go through Euler's and back


def test_script_gives_a_video(tmp_path: Path, checkpoint: Path, clips: Path, known_faces: Known) -> None:
    script = tmp_path / "nod.txt"
    script.write_text("global_pose pitch 10\nframes 5\nreset\nframes 4\n")
    made = edit(
        checkpoint, clips / "0.png", tmp_path / "out.mp4", script=script, fps=24, side_by_side=True, device="cpu"
    )
    assert made.frames == sum(1 for _ in VideoReader(tmp_path / "out.mp4")) == 9
    info = probe_video(tmp_path / "out.mp4")
    assert (info.width, info.height, info.fps) == (2 * SIZE, SIZE + 18, 24)
    assert read_mark(tmp_path / "out.mp4")["method"] == "pwm"
    assert "9 faces\nthe checkpoint was trained on the synthetic world alone" in str(made)
    with pytest.raises(ReenactError, match="the script has 9 frames; name it"):
        edit(checkpoint, clips / "0.png", tmp_path / "out.png", script=script, device="cpu")


def test_sweep_gives_a_grid_or_a_video(tmp_path: Path, checkpoint: Path, clips: Path, known_faces: Known) -> None:
    for name in ("grid.png", "sweep.mp4"):
        made = edit(checkpoint, clips / "0.png", tmp_path / name, sweep="yaw:-20:20:5", columns=3, device="cpu")
        assert made.frames == 5
    assert read_image(tmp_path / "grid.png").shape == (2 * (SIZE + 18), 3 * SIZE, 3)
    assert detect_watermark(tmp_path / "grid.png").present
    assert sum(1 for _ in VideoReader(tmp_path / "sweep.mp4")) == 5


def test_options_that_cannot_be_used(tmp_path: Path, checkpoint: Path, clips: Path, known_faces: Known) -> None:
    script = tmp_path / "bad.txt"
    script.write_text("global_pose yaw 3\nnose yaw 3\n")
    cases = [
        ({"expression": ["0:1"]}, "--expression 0:1: write NUMBER=VALUE"),
        ({"expression": ["frobnicate=1"]}, "--expression frobnicate=1: no coefficient 'frobnicate'"),
        ({"yaw": float("inf")}, "--yaw: 'inf' is not a number"),
        ({"script": script}, r"bad\.txt line 2: unknown name 'nose'"),
        ({"script": tmp_path / "none.txt"}, "--script .* can't be read"),
        ({"script": script, "sweep": "yaw:0:1:2"}, "cannot be given together"),
        ({"pose_from": clips / "0.png", "frontalize": True}, "--pose-from and --frontalize: give one"),
        ({"pose_from": clips / "1.mp4"}, "--pose-from .* is a video"),
        ({"sweep": "yaw:0:1"}, "--sweep yaw:0:1"),
        ({"fps": 0.0}, "--fps 0.0"),
        ({"fps": 1e-6}, "--fps 1e-06"),
        ({"face_index": -1}, "--face_index -1"),
    ]
    for options, message in cases:
        with pytest.raises(ReenactError, match=message):
            edit(checkpoint, clips / "0.png", tmp_path / "out.png", device="cpu", **options)
    with pytest.raises(ReenactError, match="is a video; edit takes a picture"):
        edit(checkpoint, clips / "1.mp4", tmp_path / "out.png", device="cpu")
    assert [path.name for path in tmp_path.iterdir()] == ["bad.txt"]
