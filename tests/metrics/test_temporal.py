"""Metrics of videos: by hand, over any batches, and only over frames that follow one another."""

import pytest
import torch

from reenact.metrics.catalogue import build_metric
from reenact.metrics.scene import Frames, Scene
from reenact.metrics.temporal import Flicker, FlickerExcess, Jitter, Place, Runs, flicker, frame_change, jitter


class Told:
    """Landmarks that are the first pixel's red and green."""

    name = "told"

    def __call__(self, image):
        from reenact.metrics.faces import FaceReading

        return FaceReading(landmarks=image[:, None, :2, 0, 0].expand(-1, 68, -1))


def video(*shades: float) -> torch.Tensor:
    return torch.tensor(shades)[:, None, None, None].expand(-1, 3, 4, 4)


def places(*frames: int, video: str = "a") -> list[Place]:
    return [Place((video,), frame) for frame in frames]


def test_functions_by_hand():
    made, shown = video(0.0, 0.4, 0.4), video(0.0, 0.2, -0.2)
    torch.testing.assert_close(flicker(made, shown), torch.tensor([0.1, 0.2], dtype=torch.float64))
    torch.testing.assert_close(frame_change(shown), torch.tensor([0.1, 0.2], dtype=torch.float64))
    points = torch.tensor([[[0.0, 0.0]], [[0.03, 0.04]], [[0.0, 0.0]], [[0.0, 0.0]]])
    torch.testing.assert_close(jitter(points), torch.tensor([0.1, 0.05], dtype=torch.float64) * 128)


def test_runs_overlap_or_not():
    runs = Runs(2, 1)
    assert runs.add(places(0, 1, 2), "abc") == [None, ["a", "b"], ["b", "c"]]
    assert runs.add(places(3), "d") == [["c", "d"]]
    runs = Runs(3, 0)
    assert runs.add(places(*range(7)), "abcdefg") == [None, None, list("abc"), None, None, list("def"), None]


def test_a_gap_or_another_video_begins_anew():
    runs = Runs(2, 1)
    assert runs.add([*places(0, 2), *places(3, video="b")], "abc") == [None, None, None]
    assert runs.add([*places(4, video="b"), *places(4)], "de") == [["c", "d"], None]
    runs.clear()
    assert runs.add(places(5), "f") == [None]


@pytest.mark.parametrize("batch", [1, 2, 5])
@pytest.mark.parametrize(
    "metric", [Flicker, FlickerExcess, lambda: Jitter(Told(), False), lambda: Jitter(Told(), True)]
)
def test_batches_do_not_matter(metric, batch):
    draw = torch.Generator().manual_seed(0)
    made, shown = (torch.rand(5, 3, 4, 4, generator=draw) * 2 - 1 for _ in range(2))
    whole, parts = metric(), metric()
    wanted = whole.values(Frames(made), Frames(shown))
    known = ~wanted.isnan()
    assert known.tolist() == [False] * (whole.length - 1) + [True] * (6 - whole.length)
    for start in range(0, 5, batch):
        rows = slice(start, start + batch)
        scene = Scene(Frames(made[rows]), Frames(shown[rows]), Frames(shown[rows]), True)
        values, complete = parts.of_places(scene, places(*range(5))[rows])
        parts.update(values[complete])
    assert parts.compute().item() == pytest.approx(wanted[known].mean().item(), rel=1e-12)
    assert parts.counts() == (int(known.sum()), 0)


def test_a_video_that_trembles_as_its_driver_does_has_no_excess():
    shown = video(0.0, 0.5, 0.0)
    metric = Jitter(Told(), True)
    assert metric.values(Frames(shown), Frames(shown))[2].item() == 0
    assert Jitter(Told(), False).values(Frames(shown), Frames(shown))[2].item() > 1
    smooth = FlickerExcess().values(Frames(video(0.0, 0.0)), Frames(video(0.0, 0.5)))
    assert smooth[1].item() == pytest.approx(-0.25, abs=0.005)


def test_single_frames_have_no_value_and_say_why():
    metric = build_metric("flicker")
    scene = Scene(Frames(video(0.0, 1.0)), Frames(video(0.0, 1.0)), Frames(video(0.0, 1.0)), True)
    values, complete = metric.of_places(scene, places(0, 7))
    metric.update(values[complete])
    assert metric.compute().isnan()
    assert metric.note() == "no 2 frames of one video came in a row"
