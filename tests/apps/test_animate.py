from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from reenact.apps import animate as animate_module
from reenact.apps.animate import animate
from reenact.apps.animator import Animator
from reenact.apps.compose import Composer
from reenact.apps.performance import Performance
from reenact.apps.provenance import read_mark
from reenact.apps.reference import anchor_number, reference_number
from reenact.apps.smoothing import OneEuro, smooth_clip
from reenact.apps.timeline import make_timeline
from reenact.apps.watermark import detect_watermark
from reenact.errors import ReenactError
from reenact.faces.params import FaceParams
from reenact.media.pictures import read_image
from reenact.media.video import VideoReader, probe_video
from reenact.media.video_writer import VideoWriter
from reenact.models.common.base import Reenactment, Transfer
from reenact.models.pwm.network import PWM, PWMState
from reenact.world import World

from .conftest import FRAME, NTSC, SIZE, known_clip

Known = Callable[[str, np.ndarray], None]
Reconstruct = Callable[[Path], np.ndarray]


def perform(checkpoint: Path, world: World, source: Path, driving: Path, transfer: Transfer, **options) -> np.ndarray:
    """The frames as they go into the file, before compression."""
    clips = known_clip(world, source), known_clip(world, driving)
    timeline = make_timeline((len(clips[1]), clips[1].fps), (len(clips[0]), clips[0].fps), "min")
    composer = Composer()
    method = Animator(checkpoint, transfer, device="cpu")
    which = options.pop("reference", "first")
    numbers = reference_number(which, *clips, method.face_model), anchor_number(which, *clips)
    return np.stack(
        list(
            Performance(
                animator=method, source=clips[0], driving=clips[1], composer=composer, **{"batch_size": 4, **options}
            ).frames(timeline, *numbers)
        )
    )


@pytest.mark.parametrize("reference", ["first", "best", "5"])
def test_a_source_that_drives_itself_is_left_as_it_is(
    checkpoint: Path, world: World, clips: Path, self_reconstruction: Reconstruct, reference: str
) -> None:
    path = clips / "1.mp4"
    result = perform(checkpoint, world, path, path, Transfer(mode="relative"), reference=reference)
    difference = result.astype(int) - self_reconstruction(path)
    assert np.abs(difference).max() <= 1  # batches of another size round differently
    assert np.abs(difference).mean() < 0.001


def test_a_picture_that_drives_itself_is_left_as_it_is(
    checkpoint: Path, world: World, clips: Path, self_reconstruction: Reconstruct
) -> None:
    path = clips / "0.png"
    for strength in (0.3, 1.0, 2.0):
        result = perform(checkpoint, world, path, path, Transfer(mode="relative", strength=strength))
        np.testing.assert_array_equal(result, self_reconstruction(path))


def test_no_motion_at_strength_zero(
    checkpoint: Path, world: World, clips: Path, self_reconstruction: Reconstruct
) -> None:
    result = perform(checkpoint, world, clips / "0.png", clips / "1.mp4", Transfer(mode="relative", strength=0))
    still = self_reconstruction(clips / "0.png").astype(int)
    assert np.abs(result - still).max() <= 1


def test_driving_moves_the_source_and_batches_do_not_matter(checkpoint: Path, world: World, clips: Path) -> None:
    source, driving = clips / "0.png", clips / "1.mp4"
    one = perform(checkpoint, world, source, driving, Transfer(), batch_size=1)
    many = perform(checkpoint, world, source, driving, Transfer(), batch_size=8)
    assert np.abs(one.astype(int) - many).max() <= 1
    assert np.abs(one[0].astype(int) - one[-1]).max() > 10


def test_parts_that_do_not_move_stay_with_a_moving_source(checkpoint: Path, world: World, clips: Path) -> None:
    """Relative expression of another person on a moving source: pose and camera are the source's of each frame."""
    driven = []
    method = Animator(checkpoint, Transfer(mode="relative", parts=("expression",)), device="cpu")
    perform = method.network.perform

    def spy(state, motion):
        driven.append(motion)
        return perform(state, motion)

    method.network.perform = spy
    source, driving = known_clip(world, clips / "2.mp4"), known_clip(world, clips / "1.mp4")
    timeline = make_timeline((len(driving), driving.fps), (len(source), source.fps), "min")
    list(
        Performance(animator=method, source=source, driving=driving, composer=Composer(), batch_size=4).frames(timeline)
    )
    posed = torch.cat([params.global_pose for params in driven])
    torch.testing.assert_close(posed, source.params.global_pose[torch.from_numpy(timeline.source)])
    moved = torch.cat([params.expression for params in driven])
    change = driving.params.expression[torch.from_numpy(timeline.driving)] - driving.params.expression[0]
    torch.testing.assert_close(moved, source.params.expression[0] + change)


@pytest.mark.parametrize("motion", ["relative", "absolute"])
@pytest.mark.parametrize("crop", ["per_frame", "fixed"])
def test_a_head_in_crops_that_follow_it_keeps_its_size_and_place(
    tmp_path: Path, checkpoint: Path, world: World, clips: Path, known_faces: Known,
    monkeypatch: pytest.MonkeyPatch, motion: str, crop: str,
) -> None:  # fmt: skip
    """Where the crop follows both faces the camera tells expressions; a fixed one tells how far the driver moved."""
    cameras = []

    def record(network: PWM, state: PWMState, params: FaceParams) -> Reenactment:
        cameras.append(params.camera)
        return Reenactment(torch.zeros(len(params.camera), 3, SIZE, SIZE))

    monkeypatch.setattr(PWM, "perform", record)
    options = {"motion": motion, "crop": crop, "smoothing": "none", "device": "cpu"}
    animate(checkpoint, clips / "2.mp4", clips / "1.mp4", tmp_path / "out.mp4", **options)
    source, driving = known_clip(world, clips / "2.mp4"), known_clip(world, clips / "1.mp4")
    timeline = make_timeline((len(driving), driving.fps), (len(source), source.fps), "min")
    own = source.params.camera[torch.from_numpy(timeline.source)]
    if crop == "per_frame":
        torch.testing.assert_close(torch.cat(cameras), own)
    else:
        assert (torch.cat(cameras) - own).abs().max() > 1e-4


def test_smoothing_begins_anew_at_a_cut(world: World, clips: Path) -> None:
    clip = replace(known_clip(world, clips / "1.mp4"), cuts=(4, 12))
    smooth = smooth_clip(clip, "one_euro").params
    for start, end in ((0, 4), (4, 12), (12, 21)):
        torch.testing.assert_close(smooth.expression[start], clip.params.expression[start])
        alone = OneEuro()(clip.params[start:end])
        torch.testing.assert_close(smooth.global_pose[start:end], alone.global_pose)


@pytest.mark.parametrize(("which", "number"), [("first", 0), ("best", 0), ("auto", 0), ("10", 8), ("20", 8), ("5", 4)])
def test_the_source_s_frame_for_the_reference(world: World, clips: Path, which: str, number: int) -> None:
    """A chosen frame meets the source at its time; the others are compared with the source's first frame."""
    source, driving = known_clip(world, clips / "2.mp4"), known_clip(world, clips / "1.mp4")
    assert anchor_number(which, source, driving) == number
    assert anchor_number(which, known_clip(world, clips / "0.png"), driving) == 0


def test_file_keeps_rate_length_and_sound(tmp_path: Path, checkpoint: Path, clips: Path, known_faces: Known) -> None:
    made = animate(checkpoint, clips / "0.png", clips / "1.mp4", tmp_path / "out.mp4", device="cpu")
    info = probe_video(tmp_path / "out.mp4")
    assert (made.frames, made.fps, made.missing) == (21, NTSC, 0)
    assert "trained on the synthetic world alone" in str(made)
    assert (info.fps, info.width, info.height) == (NTSC, SIZE, SIZE)
    assert sum(1 for _ in VideoReader(tmp_path / "out.mp4")) == 21
    with av.open(str(tmp_path / "out.mp4")) as container:
        audio = container.streams.audio[0]
        assert audio.codec_context.name == "aac"
        assert float(audio.duration * audio.time_base) == pytest.approx(21 / NTSC, abs=0.05)
        samples = np.concatenate([frame.to_ndarray().ravel() for frame in container.decode(audio)])
        assert np.abs(samples).max() > 0.5
    assert read_mark(tmp_path / "out.mp4")["method"] == "pwm"
    assert detect_watermark(tmp_path / "out.mp4").present


def test_sound_that_cannot_be_carried_is_refused_before_tracking(
    tmp_path: Path, checkpoint: Path, clips: Path, known_faces: Known, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "1.mkv"
    with VideoWriter(tmp_path / "plain.mp4", NTSC, (FRAME, FRAME), audio_from=clips / "1.mp4") as writer:
        for image in VideoReader(clips / "1.mp4"):
            writer.write(image)
    with av.open(str(tmp_path / "plain.mp4")) as whole, av.open(str(source), "w") as other:
        streams = {stream.index: other.add_stream_from_template(stream) for stream in whole.streams}
        for packet in whole.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                other.mux(packet)
    source.write_bytes(source.read_bytes().replace(b"A_AAC", b"A_NO_"))
    monkeypatch.setattr("reenact.apps.animate.Animator", None)  # reached only after the refusal
    with pytest.raises(ReenactError, match=r"the sound of .*1\.mkv .* pass --audio none"):
        animate(checkpoint, clips / "0.png", source, tmp_path / "out.mp4", device="cpu")
    monkeypatch.undo()
    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.parametrize("name", ["12:30.mp4", "http:out.mp4"])
def test_names_with_a_colon_are_files(
    tmp_path: Path, checkpoint: Path, clips: Path, known_faces: Known, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    animate(checkpoint, clips / "0.png", clips / "1.mp4", Path(name), device="cpu")
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert sum(1 for _ in VideoReader(Path(name))) == 21


def test_switches(tmp_path: Path, checkpoint: Path, clips: Path, known_faces: Known) -> None:
    out = tmp_path / "out.mp4"
    made = animate(
        checkpoint, clips / "2.mp4", clips / "1.mp4", out,
        side_by_side=True, paste_back=True, audio="none", watermark=False, smoothing="none", device="cpu",
    )  # fmt: skip
    info = probe_video(out)
    # The source lasts 9 / 24 s, which are 11 frames at the driving rate.
    assert made.frames == sum(1 for _ in VideoReader(out)) == 11
    assert (info.width, info.height, info.has_audio) == (3 * FRAME, FRAME + 18, False)
    assert not detect_watermark(out).present


@pytest.mark.parametrize(("rule", "frames", "sound"), [("hold", 21, True), ("skip", 18, False)])
def test_frames_without_a_face(
    tmp_path: Path, checkpoint: Path, clips: Path, known_faces: Known, rule: str, frames: int, sound: bool
) -> None:
    found = np.ones(21, np.bool_)
    found[[3, 4, 20]] = False
    known_faces("1.mp4", found)
    made = animate(checkpoint, clips / "0.png", clips / "1.mp4", tmp_path / "out.mp4", on_missing=rule, device="cpu")
    assert (made.frames, made.missing) == (frames, 3)
    assert sum(1 for _ in VideoReader(tmp_path / "out.mp4")) == frames
    assert probe_video(tmp_path / "out.mp4").has_audio == sound


def test_frames_without_a_face_can_stop_it(tmp_path: Path, checkpoint: Path, clips: Path, known_faces: Known) -> None:
    known_faces("1.mp4", np.arange(21) != 7)
    with pytest.raises(ReenactError, match=r"1\.mp4 has no face in 1 frame\(s\), the first is 7; pass --on-missing"):
        animate(checkpoint, clips / "0.png", clips / "1.mp4", tmp_path / "out.mp4", on_missing="error", device="cpu")
    assert list(tmp_path.iterdir()) == []


def test_frames_of_cuts_are_named(
    tmp_path: Path, checkpoint: Path, clips: Path, known_faces: Known, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, cuts = animate_module.open_clip, {"1.mp4": (4, 12), "2.mp4": (7,)}
    monkeypatch.setattr(
        animate_module, "open_clip", lambda path, *args: replace(known(path, *args), cuts=cuts.get(path.name, ()))
    )
    made = animate(checkpoint, clips / "2.mp4", clips / "1.mp4", tmp_path / "out.mp4", device="cpu")
    assert f"{clips / '2.mp4'} has cuts at frames 7: the motion jumps there" in str(made)
    assert f"{clips / '1.mp4'} has cuts at frames 4, 12: the motion jumps there" in str(made)
    still = animate(checkpoint, clips / "0.png", clips / "0.png", tmp_path / "out.png", device="cpu")
    assert "has cuts at" not in str(still)


def test_no_frame_with_both_faces(tmp_path: Path, checkpoint: Path, clips: Path, known_faces: Known) -> None:
    known_faces("1.mp4", np.zeros(21, np.bool_))
    with pytest.raises(ReenactError, match="--on-missing skip leaves no frame"):
        animate(checkpoint, clips / "0.png", clips / "1.mp4", tmp_path / "out.mp4", on_missing="skip", device="cpu")
    assert list(tmp_path.iterdir()) == []


def test_pixels_that_are_not_numbers_are_not_written(checkpoint: Path, world: World, clips: Path) -> None:
    face = known_clip(world, clips / "0.png")
    portrait = face.portraits(np.zeros(1, np.int64), [next(face.images())])
    animator = Animator(checkpoint, device="cpu").prepare(portrait)
    next(animator.network.generator.up_layers["x1_out"].parameters()).fill_(torch.nan)
    for draw, face in ((animator.step, portrait), (animator.pose, portrait.params)):
        with pytest.raises(ReenactError, match="gives pixels that are not numbers"):
            draw(face)


def test_picture_drives_picture(tmp_path: Path, checkpoint: Path, clips: Path, known_faces: Known) -> None:
    made = animate(checkpoint, clips / "0.png", clips / "0.png", tmp_path / "out.png", device="cpu")
    assert made.frames == 1
    assert read_image(tmp_path / "out.png").shape == (SIZE, SIZE, 3)
    assert read_mark(tmp_path / "out.png")["synthetic"] == "true"
    assert detect_watermark(tmp_path / "out.png").present


def test_options_that_cannot_be_used(tmp_path: Path, checkpoint: Path, clips: Path, known_faces: Known) -> None:
    picture, video, out = clips / "0.png", clips / "1.mp4", tmp_path / "out.mp4"
    (tmp_path / "there.mp4").touch()
    cases = [
        ((picture, video, tmp_path / "out.png"), {}, "is a picture but the result is a video"),
        ((picture, video, tmp_path / "there.mp4"), {}, "exists; choose another path or pass --overwrite"),
        ((picture, tmp_path / "no.mp4", out), {}, "--driving .* is not a file"),
        ((picture, video, out), {"strength": float("nan")}, "--strength nan"),
        ((picture, video, out), {"batch_size": 0}, "--batch-size 0"),
        ((picture, video, out), {"parts": ("nose",)}, "has no part 'nose'"),
        ((picture, video, out), {"motion": "relative", "reference_frame": "21"}, "--reference-frame 21: .* 0 to 20"),
        ((picture, video, out), {"driving_clip": "anna#1"}, "--driving-clip anna#1: .* is no store"),
        ((picture, video, out), {"audio": "source"}, "--audio source: the picture .* has no sound"),
        ((picture, video, out), {"length": "source"}, "--length source"),
        ((picture, video, out), {"set": ["yaw=10"]}, "--set yaw is a control .* reenact edit --set yaw=10"),
        ((picture, video, out), {"set": ["expression.0=1"]}, "--set expression.0 is a control"),
        ((picture, video, out), {"set": ["losses.gan=1"]}, "--set losses.gan: training alone reads"),
        ((picture, video, out), {"device": "nothing"}, "--device nothing is not available"),
        ((picture, video, out), {"face_index": -1}, "--face-index -1"),
        ((picture, video, out), {"driving_face_index": -1}, "--driving-face-index -1"),
    ]
    for paths, options, message in cases:
        with pytest.raises(ReenactError, match=message):
            animate(checkpoint, *paths, **{"device": "cpu", **options})
    assert [path.name for path in tmp_path.iterdir()] == ["there.mp4"]


def test_a_truncated_driving_video_leaves_nothing(
    tmp_path: Path, checkpoint: Path, clips: Path, known_faces: Known
) -> None:
    whole = (clips / "1.mp4").read_bytes()
    (tmp_path / "1.mp4").write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(ReenactError, match=r"1\.mp4 is"):
        animate(checkpoint, clips / "0.png", tmp_path / "1.mp4", tmp_path / "out.mp4", device="cpu")
    assert [path.name for path in tmp_path.iterdir()] == ["1.mp4"]


def test_steps_stream_frames(checkpoint: Path, world: World, clips: Path) -> None:
    """Frame by frame, the streaming interface gives what the clip gives."""
    clip = known_clip(world, clips / "1.mp4")
    images = list(VideoReader(clips / "1.mp4"))
    source = known_clip(world, clips / "0.png").portraits(np.zeros(1, np.int64), [read_image(clips / "0.png")])
    method = Animator(checkpoint, Transfer(mode="relative"), device="cpu").prepare(source)
    streamed = [method.step(clip.portraits(np.array([number]), images[number : number + 1]))[0] for number in range(6)]
    whole = perform(checkpoint, world, clips / "0.png", clips / "1.mp4", Transfer(mode="relative"))
    assert np.abs(np.stack(streamed).astype(int) - whole[:6]).max() <= 1
    with pytest.raises(ReenactError, match="call `prepare`"):
        Animator(checkpoint, device="cpu").step(source)


def test_rates_other_than_the_driving_one(tmp_path: Path, checkpoint: Path, clips: Path, known_faces: Known) -> None:
    made = animate(checkpoint, clips / "1.mp4", clips / "0.png", tmp_path / "out.mp4", audio="source", device="cpu")
    assert (made.frames, made.fps) == (21, NTSC)
    assert probe_video(tmp_path / "out.mp4").has_audio
    made = animate(checkpoint, clips / "0.png", clips / "2.mp4", tmp_path / "two.mp4", device="cpu")
    assert (made.frames, made.fps) == (9, Fraction(24))
