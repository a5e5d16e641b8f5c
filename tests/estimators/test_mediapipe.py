from __future__ import annotations

import shutil
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch

from reenact.errors import ReenactError
from reenact.estimators.base import FaceBox
from reenact.estimators.dlib import DlibDetector, DlibLandmarks
from reenact.estimators.face_search import FaceSearch
from reenact.estimators.mediapipe import IBUG68, LEAST_FACE, POSSIBLE, SURE, MediaPipeEstimator
from reenact.estimators.registry import FaceFinder, load_face_finder, resolve_landmarks
from reenact.faces.crop import Crop
from reenact.faces.landmarks import MIRROR, inter_ocular_distance, mirror_landmarks
from reenact.media.pictures import read_image
from reenact.media.video import VideoReader
from reenact.tracking.face_tracker import track_face

from .painted_faces import turn_picture


@pytest.fixture(scope="module")
def home(request, tmp_path_factory):
    task = request.config.rootpath.parent / "shared" / "weights" / "face_landmarker.task"
    if not task.is_file():
        pytest.skip("needs shared/weights/face_landmarker.task beside the checkout")
    folder = tmp_path_factory.mktemp("reenact")
    shutil.copy(task, folder)
    return folder


@pytest.fixture(scope="module")
def estimator(home):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REENACT_HOME", str(home))
        return MediaPipeEstimator()


@pytest.fixture(scope="module")
def search(estimator):
    return FaceSearch(estimator, estimator, LEAST_FACE)


REFERENCE = np.load(Path(__file__).parents[1] / "data" / "mediapipe_pictures.npz")
"""Points of 11 pictures of MediaPipe 1.2.3 in picture mode, at a confidence of `SURE`; in 32nds of a pixel."""


def first_frame(path):
    """The frame with the colours of FFmpeg's quick conversion, which the reference was made from."""
    with av.open(str(path)) as container:
        return next(container.decode(video=0)).to_ndarray(format="rgb24")


@pytest.mark.parametrize("number", range(len(REFERENCE["name"])), ids=REFERENCE["name"].tolist())
def test_points_are_those_of_mediapipe_itself(number, real, estimator):
    path, points = real / str(REFERENCE["name"][number]), REFERENCE["points"][number] / 32
    image = read_image(path) if path.suffix == ".jpg" else first_frame(path)
    (face,) = estimator._faces(image, estimator._regions(image, SURE), Crop(0, 0, 1, 1))
    errors = np.linalg.norm((face.points - points)[:, :2], axis=1)
    across = np.ptp(points[:, 0])
    assert errors.mean() < 0.001 * across
    assert errors.max() < 0.004 * across
    assert np.abs((face.points - points)[:, 2]).mean() < 0.001 * across


def test_a_portrait_agrees_with_dlib(real, estimator):
    image = read_image(real / "portrait_s42.jpg")
    (box,) = estimator.detect(image)
    points = estimator.landmarks(image, box)
    assert points.dtype == np.float32
    other = DlibLandmarks().landmarks(image, DlibDetector().detect(image)[0])
    error = np.linalg.norm(points - other, axis=1) / inter_ocular_distance(other)
    assert error.mean() < 0.05
    assert np.median(error[27:]) < 0.03


def test_the_table_names_each_landmark_once_and_is_alike_on_both_sides():
    assert IBUG68.shape == (68, 2)
    assert len({tuple(sorted(pair)) for pair in IBUG68.tolist()}) == 68
    assert (np.array(MIRROR)[MIRROR] == np.arange(68)).all()
    doubled = IBUG68[:, 0] != IBUG68[:, 1]
    np.testing.assert_array_equal(doubled, doubled[MIRROR])


def test_a_mirrored_face_has_mirrored_landmarks(real, estimator):
    image = read_image(real / "portrait_s42.jpg")
    points = estimator.landmarks(image, estimator.detect(image)[0])
    turned = np.ascontiguousarray(image[:, ::-1])
    mirrored = mirror_landmarks(estimator.landmarks(turned, estimator.detect(turned)[0]), image.shape[1])
    assert np.linalg.norm(mirrored - points, axis=1).mean() < 0.02 * inter_ocular_distance(points)


def test_a_frame_around_the_picture_moves_the_landmarks_by_it(real, estimator):
    image = read_image(real / "portrait_s42.jpg")
    box = estimator.detect(image)[0]
    points = estimator.landmarks(image, box)
    framed = cv2.copyMakeBorder(image, 70, 20, 110, 5, cv2.BORDER_CONSTANT)
    moved = estimator.landmarks(framed, box.mapped(1, 110, 70))
    assert np.abs(moved - points - [110, 70]).mean() < 0.5


def test_what_else_it_reads(real, estimator):
    image = read_image(real / "portrait_s42.jpg")
    face = estimator.read(image, estimator.detect(image)[0])
    assert face.points.shape == (478, 3)
    left_iris, right_iris = face.points[468, :2], face.points[473, :2]
    assert FaceBox.around(face.landmarks[36:42]).overlap(FaceBox.around(face.points[469:473, :2])) > 0
    assert left_iris[0] < right_iris[0]
    # the nose is nearer to the camera than the ears
    assert face.points[4, 2] < face.points[[127, 356], 2].min()


def test_small_faces_are_found_in_pieces_and_a_dog_is_none(real, search):
    frame = next(iter(VideoReader(real / "full_body_s13.mp4")))
    (box,) = search.detect(frame)
    assert 60 < box.size < 110
    assert search.detect(read_image(real / "not_a_face_dog.jpg")) == []
    portraits = [read_image(real / f"portrait_{name}.jpg") for name in ("s42", "d19", "d8")]
    scene = np.zeros((720, 1280, 3), np.uint8)
    for place, portrait in zip((0, 500, 1000), portraits, strict=True):
        scene[300:500, place : place + 200] = cv2.resize(portrait, (200, 200), interpolation=cv2.INTER_AREA)
    boxes = search.detect(scene)
    assert sorted(int(box.centre[0] // 500) for box in boxes) == [0, 1, 2]
    assert [box.area for box in boxes] == sorted((box.area for box in boxes), reverse=True)


def test_a_face_that_is_not_sure_in_the_whole_picture_is_looked_at_again(real, estimator):
    frame = next(islice(VideoReader(real / "clip_d12.mp4"), 50, None))
    assert not estimator._regions(frame, SURE)
    (box,) = estimator.detect(frame)
    assert 200 < box.size < 260
    assert estimator._regions(read_image(real / "not_a_face_dog.jpg"), POSSIBLE)


def test_a_face_of_259_pixels_in_a_frame_of_3840(real, estimator, search):
    image = read_image(real / "portrait_s42.jpg")
    scale = 259 / estimator.detect(image)[0].size
    face = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    frame = np.full((2160, 3840, 3), 90, np.uint8)
    frame[900 : 900 + len(face), 1500 : 1500 + face.shape[1]] = face
    (box,) = search.detect(frame)
    assert box.size == pytest.approx(259, rel=0.05)
    assert estimator.detect(frame) == []


def test_two_people_side_by_side_are_two_faces(real, search):
    people = [cv2.resize(read_image(real / f"portrait_{name}.jpg"), (512, 512)) for name in ("s42", "d8")]
    boxes = search.detect(np.ascontiguousarray(np.concatenate(people, axis=1)))
    assert sorted(box.centre[0] // 512 for box in boxes) == [0, 1]


@pytest.mark.parametrize("roll", [45, 90, 135, 180, -90])
def test_landmarks_of_a_turned_face_are_right_or_it_is_refused(roll, real, search, estimator):
    image = cv2.resize(read_image(real / "portrait_s42.jpg"), (400, 400), interpolation=cv2.INTER_AREA)
    points = estimator.landmarks(image, estimator.detect(image)[0])
    turned, matrix = turn_picture(image, roll)
    refusals = ("shows no face", "shows a face that lies on its side; turn the picture or video upright")
    try:
        (landmarks,) = track_face([turned], FaceFinder(search, estimator)).landmarks
    except ReenactError as error:
        if str(error) not in refusals:
            raise
    else:
        right = points @ matrix[:, :2].T + matrix[:, 2]
        assert np.linalg.norm(landmarks - right, axis=1).mean() < 0.05 * inter_ocular_distance(points)


def test_a_face_is_followed_and_lost(real, estimator):
    reader = VideoReader(real / "clip_d18.mp4")
    first, later = reader.frames([0, 20])
    box = estimator.detect(first)[0]
    near = estimator.detect_near(later, box)
    assert near is not None
    assert near.overlap(box) > 0.5
    empty = np.full_like(first, 90)
    assert estimator.detect_near(empty, box) is None
    with pytest.raises(ReenactError, match="sees no face"):
        estimator.landmarks(empty, box)


def test_auto_takes_it_where_it_is(home, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("REENACT_HOME", str(home))
    assert resolve_landmarks("auto") == "mediapipe"
    assert load_face_finder("auto").name == "mediapipe"


def test_missing_and_damaged_files(home, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("REENACT_HOME", str(tmp_path))
    with pytest.raises(ReenactError, match=r"put face_landmarker\.task under"):
        MediaPipeEstimator()
    content = (home / "face_landmarker.task").read_bytes()
    for broken in (b"", b"nothing", content[:100_000], content[:-1000]):
        (tmp_path / "face_landmarker.task").write_bytes(broken)
        with pytest.raises(ReenactError, match="is damaged or no Face Landmarker"):
            MediaPipeEstimator()
    torch.save({"a": torch.zeros(1)}, tmp_path / "face_landmarker.task")
    with pytest.raises(ReenactError, match="is damaged or no Face Landmarker"):
        MediaPipeEstimator()
    shutil.copy(home / "face_landmarker.task", tmp_path)
    MediaPipeEstimator()
    assert capfd.readouterr().err == ""
