"""Faces that lie, as networks read them that follow a turn and that do not."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from reenact.errors import ReenactError
from reenact.estimators import turned
from reenact.estimators.face_search import FaceSearch
from reenact.estimators.registry import FaceFinder
from reenact.estimators.turned import WRONG, check_landmarks
from reenact.media.pictures import read_image
from reenact.tracking.face_tracker import track_face

from .painted_faces import PaintedFaces, paint_face, turn_picture

ROLLS = [0, 20, 45, 60, 90, 135, 180, -45, -90, -135]


def scene(roll):
    return paint_face(np.full((240, 300, 3), 90, np.uint8), (150, 120), 80, roll)


def finder_of(network):
    return FaceFinder(FaceSearch(network, network, 0.03), network)


@pytest.mark.parametrize("roll", ROLLS)
@pytest.mark.parametrize(("name", "follows"), [("dlib", 40), ("face-alignment", 50), ("insightface", 30)])
def test_a_turned_face_with_landmarks_of_an_upright_one_is_told(name, follows, roll):
    network, image = PaintedFaces(follows, name=name), scene(roll)
    (box,) = network.detect(image)
    check = check_landmarks(network, image, box, network.landmarks(image, box))
    assert check.lies == (abs(roll) > follows)
    assert (check.error > WRONG) == (abs(roll) > follows)
    assert (check.roll - roll + 180) % 360 - 180 == pytest.approx(0, abs=3)
    (marked,) = finder_of(network).detector.detect(image)
    assert marked.lies == check.lies


@pytest.mark.parametrize("roll", ROLLS)
def test_landmarks_that_turn_with_the_face_are_right(roll):
    network, image = PaintedFaces(360, name="mediapipe"), scene(roll)
    (box,) = network.detect(image)
    points = network.landmarks(image, box)
    check = check_landmarks(network, image, box, points)
    assert check.error < 0.05
    assert not check.lies
    track = track_face([image], finder_of(network))
    np.testing.assert_array_equal(track.landmarks[0], points)


@pytest.mark.parametrize(
    ("network", "sentence"),
    [
        (PaintedFaces(50), "shows a face that lies on its side; turn the picture or video upright"),
        (PaintedFaces(50, refuses=True), "shows a face on which face-alignment can't place landmarks"),
    ],
    ids=["wrong", "refused"],
)
def test_a_lying_face_is_refused(network, sentence):
    with pytest.raises(ReenactError, match=sentence):
        track_face([scene(90)], finder_of(network))


def test_frames_in_which_the_face_lies_do_not_count_as_seen():
    rolls = [0] * 14 + [90] * 15 + [0] * 9
    track = track_face([scene(roll) for roll in rolls], finder_of(PaintedFaces(50)))
    assert track.visible[:12].all()
    assert not track.visible[14:29].any()
    assert track.visible[36:].all()


@pytest.mark.parametrize(("spread", "lies"), [(0.044, False), (0.01, True)])
def test_another_turn_is_believed_where_it_agrees_far_better(monkeypatch, spread, lies):
    network, image = PaintedFaces(360), scene(0)
    (box,) = network.detect(image)
    points = network.landmarks(image, box)
    upside_down = points.mean(0) * 2 - points
    monkeypatch.setattr(turned._TurnedPicture, "compare_copies", lambda *_: turned._Copies(0.045, (points,)))
    monkeypatch.setattr(turned._TurnedPicture, "try_turn", lambda *_: turned._Copies(spread, (upside_down,)))
    assert check_landmarks(network, image, box, points).lies == lies


def test_landmarks_that_no_copy_confirms_are_wrong():
    network, image = PaintedFaces(0, refuses=True), scene(0)
    (box,) = network.detect(image)
    assert check_landmarks(network, image, box, PaintedFaces(0).landmarks(image, box)).error == np.inf


@pytest.fixture(scope="module")
def dlib_finder():
    adapter = pytest.importorskip("reenact.estimators.dlib")
    detector, landmarks = adapter.DlibDetector(), adapter.DlibLandmarks()
    return FaceFinder(FaceSearch(detector, landmarks, adapter.LEAST_FACE), landmarks)


@pytest.mark.parametrize(
    ("name", "roll"),
    [
        ("portrait_s42", 90),
        ("portrait_s5", 180),
        *(
            pytest.param(name, roll, marks=pytest.mark.slow)
            for name in ("portrait_d19", "portrait_s7")
            for roll in (45, 90, 135, 180)
        ),
    ],
)
def test_real_faces_turned_are_refused_or_right(name, roll, real, dlib_finder):
    image = cv2.resize(read_image(real / f"{name}.jpg"), (400, 400), interpolation=cv2.INTER_AREA)
    (box,) = dlib_finder.detector.detect(image)
    points = dlib_finder.landmarks.landmarks(image, box)
    upright = check_landmarks(dlib_finder.landmarks, image, box, points)
    assert upright.error < WRONG / 2
    turned, matrix = turn_picture(image, roll)
    x, y = matrix[:, :2] @ box.centre + matrix[:, 2]
    lying = type(box).from_row([x - box.size / 2, y - box.size / 2, x + box.size / 2, y + box.size / 2])
    placed = dlib_finder.landmarks.landmarks(turned, lying)
    off = np.linalg.norm(placed - points @ matrix[:, :2].T - matrix[:, 2], axis=1).mean()
    check = check_landmarks(dlib_finder.landmarks, turned, lying, placed)
    eyes = np.linalg.norm(points[36] - points[45])
    assert check.error > WRONG or off < 0.15 * eyes
    if roll >= 90:
        assert check.lies
        assert check.error > 5 * WRONG
