"""Videos as one thing: a method may see all frames before it returns the first one."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from reenact.apps import animate as animate_module
from reenact.apps.animate import animate
from reenact.apps.animator import Animator
from reenact.apps.compose import Composer
from reenact.apps.output import FrameBar, write_frames
from reenact.apps.performance import Performance
from reenact.apps.timeline import make_timeline
from reenact.apps.work_folder import open_work_folder
from reenact.errors import ReenactError
from reenact.faces.portrait import to_image
from reenact.media.pictures import read_image
from reenact.models.common.base import Transfer
from reenact.models.pwm import PWMModule
from reenact.models.pwm.network import PWM

from .conftest import SIZE, known_clip


def play_frames(checkpoint, world, source: Path, driving: Path, composer: Composer, batch_size: int = 4) -> np.ndarray:
    clips = known_clip(world, source), known_clip(world, driving)
    timeline = make_timeline((len(clips[1]), clips[1].fps), (len(clips[0]), clips[0].fps), "min")
    animator = Animator(checkpoint, Transfer(mode="relative"), device="cpu")
    performance = Performance(
        animator=animator, source=clips[0], driving=clips[1], composer=composer, batch_size=batch_size
    )
    return np.stack(list(performance.frames(timeline)))


def play_whole(self, frames, progress=None, work=None):
    """Draw all frames first, and return them in batches of another size."""
    batches = list(frames)
    singles = []
    for state, motion in batches:
        result = self.perform(state, motion)
        singles += [result.image[i : i + 1] for i in range(len(result.image))]
    for start in range(0, len(singles), 3):
        result.image = torch.cat(singles[start : start + 3])
        yield result


@pytest.mark.parametrize("source", ["0.png", "2.mp4"])
@pytest.mark.parametrize("composer", [Composer(), Composer(side_by_side=True), Composer(paste_back=True)])
def test_a_method_may_see_all_frames_first(checkpoint, world, clips, monkeypatch, source, composer):
    expected = play_frames(checkpoint, world, clips / source, clips / "1.mp4", composer)
    monkeypatch.setattr(PWM, "play", play_whole)
    np.testing.assert_array_equal(play_frames(checkpoint, world, clips / source, clips / "1.mp4", composer), expected)


def test_each_shot_is_played_as_a_video_of_its_own(checkpoint, world, clips, tmp_path, monkeypatch):
    shots, fractions = [], []

    def play_shot(self, frames, progress=None, work=None):
        batches = list(frames)
        shots.append((sum(len(motion.camera) for _, motion in batches), work.name))
        progress(1.0)
        yield from (self.perform(*batch) for batch in batches)

    monkeypatch.setattr(PWM, "play", play_shot)
    source, driving = (known_clip(world, clips / name) for name in ("2.mp4", "1.mp4"))
    timeline = make_timeline((len(driving), driving.fps), (len(source), source.fps), "min")

    def play(cuts: tuple[int, ...]) -> np.ndarray:
        performance = Performance(
            animator=Animator(checkpoint, Transfer(mode="relative"), device="cpu"),
            source=source,
            driving=replace(driving, cuts=cuts),
            composer=Composer(side_by_side=True),
            batch_size=5,
        )
        return np.stack(list(performance.frames(timeline, progress=fractions.append, work=tmp_path)))

    whole = play(())
    assert (shots, fractions) == ([(len(timeline), "shot-0")], [1])
    shots.clear(), fractions.clear()
    parts = play((4, 7))
    assert shots == [(4, "shot-0"), (3, "shot-1"), (len(timeline) - 7, "shot-2")]
    np.testing.assert_allclose(fractions, np.array([4, 7, len(timeline)]) / len(timeline))
    assert np.abs(parts.astype(int) - whole).max() <= 1  # a method without windows draws the same


def test_the_layout_shows_each_frame_of_the_driving_video_in_its_place(checkpoint, world, clips):
    frames = play_frames(checkpoint, world, clips / "0.png", clips / "1.mp4", Composer(side_by_side=True))
    clip = known_clip(world, clips / "1.mp4")
    for frame, image, crop in zip(frames, clip.images(), clip.crops, strict=True):
        np.testing.assert_array_equal(frame[-SIZE:, 2 * SIZE :], crop.warp_to_crop(image, outside="edge"))


def test_exact_motions_are_played_as_they_are_posed(checkpoint, world, clips):
    face = known_clip(world, clips / "1.mp4")
    still = known_clip(world, clips / "0.png")
    animator = Animator(checkpoint, device="cpu").prepare(still.portraits(np.zeros(1, np.int64), list(still.images())))
    batches = [face.params[start : start + 4] for start in range(0, 10, 4)]
    played = list(animator.play_motions(iter(batches)))
    posed = [(animator.pose(batch), animator.landmarks()) for batch in batches]
    pictures, points = (np.concatenate(parts) for parts in zip(*posed, strict=True))
    np.testing.assert_array_equal([frame.picture for frame in played], pictures)
    np.testing.assert_array_equal([frame.landmarks for frame in played], points)
    with pytest.raises(ReenactError, match="call `prepare`"):
        next(Animator(checkpoint, device="cpu").play_motions(batches))


def test_a_moving_source_is_refused_before_tracking(checkpoint, clips, tmp_path, monkeypatch):
    monkeypatch.setattr(PWM, "moving_source", False)
    monkeypatch.setattr(animate_module, "open_clip", None)  # reached only after the refusal
    with pytest.raises(ReenactError, match=r"--source .*2\.mp4 is a video, and pwm animates pictures alone"):
        animate(checkpoint, clips / "2.mp4", clips / "1.mp4", tmp_path / "out.mp4", device="cpu")


def test_files_of_use_are_asked_for_before_tracking(checkpoint, clips, tmp_path, monkeypatch):
    monkeypatch.setattr(PWMModule, "assets", lambda self, stage: ("hopenet",) if stage == "use" else ())
    monkeypatch.setattr("reenact.assets.locate_asset", lambda name: None)
    monkeypatch.setattr(animate_module, "open_clip", None)
    with pytest.raises(ReenactError, match=r"hopenet_robust_alpha1\.pkl"):
        animate(checkpoint, clips / "0.png", clips / "1.mp4", tmp_path / "out.mp4", device="cpu")


def test_the_bar_shows_the_work_of_a_method_and_the_frames_of_the_file(tmp_path):
    bar, shown = FrameBar(), []

    def draw_frames():
        for fraction in (0.2, 0.6, 0.5):
            bar.report(fraction)
            shown.append(bar.fraction)
        for _ in range(4):
            yield np.zeros((64, 64, 3), np.uint8)
            shown.append(bar.fraction)

    write_frames(tmp_path / "out.mp4", draw_frames(), 4, Fraction(25), {}, watermark=False, bar=bar)
    assert shown == [0.2, 0.6, 0.6, 0.6, 0.6, 0.75, 1.0]


def test_intermediate_files_outlive_an_interruption_alone(tmp_path):
    (tmp_path / "in.png").write_bytes(b"1")

    def run(interrupted: bool, **options) -> Path:
        with open_work_folder(tmp_path / "out.mp4", {"source": tmp_path / "in.png", **options}) as work:
            assert work.parent == tmp_path
            work.mkdir(exist_ok=True)
            if interrupted:
                raise KeyboardInterrupt
        return work

    with pytest.raises(KeyboardInterrupt):
        run(True, strength=1.0)
    (left,) = tmp_path.glob("out.mp4.*")
    assert run(False, strength=0.5) != left
    assert left.is_dir()
    assert run(False, strength=1.0) == left
    assert not left.exists()
    (tmp_path / "in.png").write_bytes(b"12")
    assert run(False, strength=1.0) != left


def test_a_picture_of_the_inside_is_written_in_place_of_the_result(checkpoint, world, clips):
    face = known_clip(world, clips / "1.mp4")
    still = known_clip(world, clips / "0.png").portraits(np.zeros(1, np.int64), [read_image(clips / "0.png")])
    plain = Animator(checkpoint, device="cpu").prepare(still)
    pictures = plain.network.perform(plain.state, face.params[:2]).pictures()
    for name, picture in pictures.items():
        shown = Animator(checkpoint, device="cpu", show=name).prepare(still)
        np.testing.assert_array_equal(shown.pose(face.params[:2]), to_image(picture))
        played = [frame.picture for frame in shown.play_motions([face.params[:2]])]
        np.testing.assert_array_equal(played, to_image(picture))


def test_an_unknown_picture_is_refused_before_the_driving_video_is_tracked(
    checkpoint, clips, tmp_path, known_faces, monkeypatch
):
    opened, open_known = [], animate_module.open_clip
    monkeypatch.setattr(
        animate_module, "open_clip", lambda path, *rest: opened.append(path.name) or open_known(path, *rest)
    )
    with pytest.raises(ReenactError, match=r"--show flaw: pwm has no such picture; use one of guidance, .*result"):
        animate(checkpoint, clips / "0.png", clips / "1.mp4", tmp_path / "out.mp4", show="flaw", device="cpu")
    assert opened == ["0.png"]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_the_network_computes_in_the_precision_and_motions_stay(checkpoint, world, clips, monkeypatch, precision):
    computed = []

    def record(name):
        function = getattr(PWM, name)

        def call(self, *values):
            computed.append((name, torch.is_autocast_enabled("cpu") and str(torch.get_autocast_dtype("cpu"))))
            with torch.autocast("cpu", enabled=False):  # bfloat16 convolutions crash on some CPUs
                return function(self, *values)

        monkeypatch.setattr(PWM, name, call)

    for name in ("encode", "perform", "retarget"):
        record(name)
    animator = Animator(checkpoint, Transfer(mode="relative"), device="cpu", precision=precision)
    face = known_clip(world, clips / "1.mp4")
    portrait = face.portraits(np.arange(2), [read_image(clips / "0.png")] * 2)
    list(animator.prepare(portrait[:1]).play([portrait]))
    expected = False if precision == "float32" else "torch.bfloat16"
    assert computed == [("encode", expected), ("retarget", False), ("perform", expected)]


def test_fp16_on_the_cpu_is_float32_and_says_so(checkpoint, world, clips, caplog):
    portrait = known_clip(world, clips / "1.mp4").portraits(np.arange(1), [read_image(clips / "0.png")])
    half, whole = (Animator(checkpoint, device="cpu", precision=name) for name in ("fp16", "float32"))
    np.testing.assert_array_equal(half.prepare(portrait).step(portrait), whole.prepare(portrait).step(portrait))
    said = [record.message for record in caplog.records]
    assert said == ["warning: --precision fp16 is not available on the CPU, which computes in float32 now"]


def test_an_unknown_precision_is_refused_before_anything_is_loaded(tmp_path):
    with pytest.raises(ReenactError, match="--precision fp8: no such type; use one of float32, bf16, fp16"):
        Animator(tmp_path / "none.ckpt", device="cpu", precision="fp8")


@pytest.mark.parametrize("use", ["play", "step", "prepare"])
def test_a_full_memory_names_what_takes_less_in_order(checkpoint, world, clips, monkeypatch, use):
    def refuse(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")

    source = known_clip(world, clips / "0.png").portraits(np.zeros(1, np.int64), [read_image(clips / "0.png")])
    animator = Animator(checkpoint, device="cpu").prepare(source)
    monkeypatch.setattr(PWM, "encode" if use == "prepare" else "perform", refuse)
    monkeypatch.setattr(PWMModule, "memory_settings", ("network.chunk=1",))
    calls = {
        "prepare": lambda: animator.prepare(source),
        "step": lambda: animator.step(source),
        "play": lambda: list(animator.play([source])),
    }
    with pytest.raises(
        ReenactError, match=r"order: --batch-size 1, --set network\.chunk=1, --precision bf16, --device cpu"
    ):
        calls[use]()
