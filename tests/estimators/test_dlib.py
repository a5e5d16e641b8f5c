from __future__ import annotations

import sys

import cv2
import numpy as np
import pytest

from reenact.errors import ReenactError
from reenact.estimators import dlib as adapter
from reenact.estimators.base import FaceBox
from reenact.faces.landmarks import inter_ocular_distance, mirror_landmarks
from reenact.media.pictures import read_image
from reenact.media.video import VideoReader


@pytest.fixture(scope="module")
def detector():
    return adapter.DlibDetector()


@pytest.fixture(scope="module")
def predictor():
    return adapter.DlibLandmarks()


def test_boxes():
    box = FaceBox(left=10, top=20, right=30, bottom=60, score=0.5)
    assert (box.area, box.size, box.centre) == (800, 30, (20, 40))
    assert box.overlap(box) == 1
    assert box.overlap(FaceBox(left=30, top=20, right=50, bottom=60)) == 0
    assert box.overlap(FaceBox(left=10, top=40, right=30, bottom=80)) == pytest.approx(1 / 3)
    assert box.mapped(2, 1, -1) == FaceBox(left=21, top=39, right=61, bottom=119, score=0.5)
    assert FaceBox.around(np.array([[3.0, 9], [1, 4]])) == FaceBox(left=1, top=4, right=3, bottom=9)


@pytest.mark.parametrize("scale", [1.0, 0.4, 2.7])
def test_patches_keep_continuous_pixels(scale):
    x = np.arange(300, dtype=np.float32) + 0.5
    image = np.repeat(np.clip(x / 300 * 250, 0, 255)[None, :, None], 300, axis=0).repeat(3, axis=2)
    patch = adapter._cut_patch(np.rint(image).astype(np.uint8), 40.0, 30.0, scale, 60)
    expected = (40 + (np.arange(60) + 0.5) * scale) / 300 * 250
    assert np.abs(patch[20, :, 0] - expected).max() < 1.5


def test_a_portrait(real, detector, predictor):
    image = read_image(real / "portrait_s42.jpg")
    (box,) = detector.detect(image)
    points = predictor.landmarks(image, box)
    assert points.shape == (68, 2)
    assert FaceBox.around(points).overlap(box) > 0.5
    near = detector.detect_near(image, box)
    assert near is not None
    assert near.overlap(box) > 0.6
    mirrored = np.ascontiguousarray(image[:, ::-1])
    width = image.shape[1]
    turned = predictor.landmarks(
        mirrored, FaceBox(left=width - box.right, top=box.top, right=width - box.left, bottom=box.bottom)
    )
    error = np.linalg.norm(mirror_landmarks(turned, width) - points, axis=1).mean()
    assert error < 0.03 * inter_ocular_distance(points)


def test_landmarks_follow_the_size_of_the_picture(real, detector, predictor):
    image = read_image(real / "portrait_s42.jpg")
    (box,) = detector.detect(image)
    points = predictor.landmarks(image, box)
    half = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    small = predictor.landmarks(half, box.mapped(0.5, 0, 0)) * 2
    assert np.linalg.norm(small - points, axis=1).mean() < 0.02 * inter_ocular_distance(points)


def test_no_face_in_a_dog_and_a_hard_face_found(real, detector):
    assert detector.detect(read_image(real / "not_a_face_dog.jpg")) == []
    assert len(detector.detect(read_image(real / "portrait_d8.jpg"))) == 1


def test_a_small_face(real, detector):
    frame = next(iter(VideoReader(real / "full_body_s13.mp4")))
    (box,) = detector.detect(frame)
    assert 40 < box.size < 110


def test_faces_are_sorted_by_size(real, detector):
    large = read_image(real / "portrait_s42.jpg")
    small = cv2.resize(read_image(real / "portrait_d19.jpg"), (360, 360), interpolation=cv2.INTER_AREA)
    both = np.zeros((512, 872, 3), np.uint8)
    both[:, 360:], both[:360, :360] = large, small
    boxes = detector.detect(both)
    assert len(boxes) == 2
    assert boxes[0].left > 360 > boxes[1].left


def test_a_face_that_the_first_detector_misses_beside_one_that_it_sees(real, detector):
    people = [cv2.resize(read_image(real / f"portrait_{name}.jpg"), (512, 512)) for name in ("s42", "d8")]
    boxes = detector.detect(np.ascontiguousarray(np.concatenate(people, axis=1)))
    assert len(boxes) == 2
    assert boxes[0].centre[0] < 512 < boxes[1].centre[0]


@pytest.mark.slow
def test_a_face_of_259_pixels_in_a_frame_of_3840(real, detector):
    image = read_image(real / "portrait_s42.jpg")
    scale = 259 / detector.detect(image)[0].size
    face = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    frame = np.full((2160, 3840, 3), 90, np.uint8)
    frame[900 : 900 + len(face), 1500 : 1500 + face.shape[1]] = face
    (box,) = detector.detect(frame)
    assert box.size == pytest.approx(259, rel=0.1)


def test_embeddings_tell_people_apart(real, detector, predictor):
    network = adapter.DlibIdentity()

    def embed(image):
        return network.embed(image, predictor.landmarks(image, detector.detect(image)[0]))

    clip = VideoReader(real / "clip_d18.mp4").frames([0, 150])
    first, later = (embed(image) for image in clip)
    other = embed(read_image(real / "portrait_s42.jpg"))
    assert first.shape == (128,)
    assert np.linalg.norm(first - later) < 0.4 < np.linalg.norm(first - other)


def test_missing_weights_and_missing_library(monkeypatch):
    with pytest.raises(ReenactError, match=r"nothing.dat is missing: pip install 'reenact-zoo\[dlib\]'"):
        adapter.find_weights("nothing.dat")
    adapter._import_dlib.cache_clear()
    monkeypatch.setitem(sys.modules, "dlib", None)
    with pytest.raises(ReenactError, match=r"dlib is not installed: pip install 'reenact-zoo\[dlib\]'"):
        adapter.DlibDetector()
    adapter._import_dlib.cache_clear()
