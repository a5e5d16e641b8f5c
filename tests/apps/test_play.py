"""Videos as one thing: a method may see all frames before it returns the first one."""

from __future__ import annotations

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
from reenact.models.common.base import Transfer
from reenact.models.pwm import PWMModule
from reenact.models.pwm.network import PWM

from .conftest import known_clip


def play_frames(checkpoint, world, source: Path, driving: Path, composer: Composer, batch_size: int = 4) -> np.ndarray:
    clips = known_clip(world, source), known_clip(world, driving)
    timeline = make_timeline((len(clips[1]), clips[1].fps), (len(clips[0]), clips[0].fps), "min")
    animator = Animator(checkpoint, Transfer("relative"), device="cpu")
    return np.stack(list(Performance(animator, *clips, composer, batch_size).frames(timeline)))


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
