"""Distances between faces by hand computation."""

import math

import pytest
import torch

from reenact.metrics.faces import AKD, CSIM, FaceDistance, FaceReading, angle_distance, vector_distance
from reenact.metrics.scene import Frames, Part


class Told:
    """A reader that says what it is told, by the brightness of the first pixel, and counts its looks."""

    name = "told"

    def __init__(self, **says: dict[float, list[float]]) -> None:
        self.says = says
        self.looks = 0

    def __call__(self, image: torch.Tensor) -> FaceReading:
        self.looks += 1
        keys = [round(float(value)) for value in image[:, 0, 0, 0]]
        return FaceReading(**{name: torch.tensor([table[key] for key in keys]) for name, table in self.says.items()})


def frames(*shades: float) -> Frames:
    return Frames(torch.tensor(shades)[:, None, None, None].expand(-1, 3, 4, 4))


@pytest.mark.parametrize(
    ("norm", "wanted"),
    [("l1", 7 / 2), ("sum", 7), ("l2", 5), ("l2sq", 25), ("rmse", math.sqrt(12.5)), ("degrees", math.degrees(3.5))],
)
def test_norms(norm, wanted):
    assert vector_distance(torch.tensor([[3.0, -4.0]]), torch.zeros(1, 2), norm).item() == pytest.approx(wanted)


def test_angles_are_compared_the_short_way_round():
    first, second = torch.tensor([[3.1, 0.0, 0.0]]), torch.tensor([[-3.1, 0.0, 0.3]])
    short = 2 * math.pi - 6.2
    assert angle_distance(first, second, "sum").item() == pytest.approx(short + 0.3, abs=1e-6)


def test_cosine_of_embeddings_of_any_length():
    metric = CSIM(Told(embedding={-1: [2.0, 0.0], 1: [3.0, 3.0]}))
    metric.update(metric.values(frames(-1, -1), frames(1, -1)))
    assert metric.label == "csim[told]"
    assert metric.compute().item() == pytest.approx((math.sqrt(0.5) + 1) / 2)


def test_keypoints_are_compared_by_coordinate_in_pixels_of_256():
    reader = Told(landmarks={-1: [[0.0, 0.0]] * 68, 1: [[0.02, -0.01]] * 68})
    metric = AKD(reader)
    assert metric.values(frames(-1), frames(1)).item() == pytest.approx((0.02 + 0.01) / 2 * 128, rel=1e-5)


def test_frames_without_a_face_are_counted_and_left_out():
    metric = FaceDistance("aed", "expression", Told(expression={-1: [1.0], 1: [math.nan], 0: [3.0]}), "l1")
    metric.update(metric.values(frames(-1, 1, 0), frames(0, 0, 0)))
    assert metric.label == "aed.expression[told].l1"
    assert metric.compute().item() == pytest.approx(1.0)
    assert metric.counts() == (2, 1)


def test_identities_are_compared_as_unit_vectors():
    reader = Told(embedding={-1: [2.0, 0.0], 1: [0.0, 5.0]})
    assert FaceDistance("aed", "identity", reader, "l2sq").values(frames(-1), frames(1)).item() == pytest.approx(2.0)


def test_the_pose_of_six_numbers():
    reader = Told(angles={-1: [0.0] * 3, 1: [0.1] * 3}, translation={-1: [0.0] * 3, 1: [1.0] * 3})
    assert FaceDistance("apd", "pose", reader, "l1").values(frames(-1), frames(1)).item() == pytest.approx(0.55)


def test_pieces_of_a_reading_cost_one_look():
    reader = Told(expression={-1: [1.0]}, embedding={-1: [1.0, 2.0]})
    shown = frames(-1)
    shown.read(Part("told", reader, lambda reading: reading.expression))
    shown.read(Part("told", reader, lambda reading: reading.embedding))
    shown.read(reader)
    assert reader.looks == 1
