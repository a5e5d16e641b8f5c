"""Anchors and suppression of MediaPipe's face detector; whole pictures in tests/estimators/test_mediapipe.py."""

from __future__ import annotations

import pytest
import torch

from reenact.nn.face_detector import FaceDetector, anchor_centres, join_detections


def detection(x: float, y: float, side: float) -> list[float]:
    """A detection whose six points lie in the box's centre."""
    return [x, y, side, side, *[x, y] * 6]


def test_anchors_are_two_to_a_cell_of_8_pixels_then_six_to_a_cell_of_16():
    anchors = anchor_centres() * 128
    assert anchors.shape == (896, 2)
    assert anchors[[0, 1, 2, 32, 511]].tolist() == [[4, 4], [4, 4], [12, 4], [4, 12], [124, 124]]
    assert anchors[[512, 517, 518, 560, 895]].tolist() == [[8, 8], [8, 8], [24, 8], [8, 24], [120, 120]]


def test_detections_of_a_face_become_their_weighted_mean_and_those_of_others_stay():
    values = torch.tensor([detection(0.52, 0.5, 0.2), detection(0.1, 0.1, 0.1), detection(0.5, 0.5, 0.2)])
    joined = join_detections(values, torch.tensor([0.9, 0.85, 0.6]))
    assert joined.shape == (2, 16)
    torch.testing.assert_close(joined[0], torch.tensor(detection((0.52 * 0.9 + 0.5 * 0.6) / 1.5, 0.5, 0.2)))
    torch.testing.assert_close(joined[1], values[1])


@pytest.mark.parametrize(("apart", "count"), [(0.06, 1), (0.07, 2)])
def test_boxes_are_of_one_face_above_half_of_their_union(apart, count):
    values = torch.tensor([detection(0.5, 0.5, 0.2), detection(0.5 + apart, 0.5, 0.2)])
    assert len(join_detections(values, torch.tensor([0.9, 0.8]))) == count


def test_boxes_turned_inside_out_are_no_faces_and_those_without_an_area_end():
    values = torch.tensor([detection(0.5, 0.5, -0.1), detection(0.5, 0.5, 0.0)])
    assert join_detections(values, torch.tensor([0.9, 0.9])).shape == (1, 16)
    assert join_detections(values[:0], torch.zeros(0)).shape == (0, 16)


class Answer(torch.nn.Module):
    """Two pictures: at one anchor of the second a face, eight pixels to its right and 32 wide."""

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        boxes, scores = torch.zeros(len(image), 896, 16), torch.full((len(image), 896, 1), -50.0)
        boxes[1, 700, :4], scores[1, 700] = torch.tensor([8.0, 0.0, 32.0, 32.0]), 2.0
        return {"regressors": boxes, "classificators": scores}


def test_numbers_count_from_anchors_in_sides_of_the_picture():
    detector = FaceDetector.__new__(FaceDetector)
    torch.nn.Module.__init__(detector)
    detector.network = Answer()
    detector.register_buffer("anchors", anchor_centres())
    none, some = detector(torch.zeros(2, 3, 128, 128), 0.8)
    assert len(none) == 0
    x, y = detector.anchors[700].tolist()
    torch.testing.assert_close(some[0], torch.tensor([x + 8 / 128, y, 0.25, 0.25, *[x, y] * 6]))
    assert len(detector(torch.zeros(2, 3, 128, 128), 0.9)[1]) == 0
