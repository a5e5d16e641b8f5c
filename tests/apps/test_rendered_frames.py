"""Landmarks found again in the pictures that `animate` writes, with a method that draws photographs untrained."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from reenact.apps.animate import animate
from reenact.estimators.registry import load_face_finder
from reenact.faces.landmarks import inter_ocular_distance
from reenact.media.pictures import write_image
from reenact.media.video import VideoReader
from reenact.media.video_writer import VideoWriter

from .textured_head import save_textured_head

CLIPS = ("clip_d0", "clip_d11", "clip_d12", "clip_d18", "clip_d19", "clip_d20", "full_body_s13")
FRAMES, STEP = 10, 2
"""Frames of a driver, and how many of the clip lie from one to the next."""
INNER = slice(17, 68)
EYES = slice(36, 48)


@pytest.fixture(scope="session")
def finder(real):
    """Judges the results as it tracks the drivers: MediaPipe where its file is beside the clips, else dlib."""
    pytest.importorskip("dlib")
    with pytest.MonkeyPatch.context() as patch:
        if (real.parent / "weights" / "face_landmarker.task").is_file():
            patch.setenv("REENACT_HOME", str(real.parent / "weights"))
        yield load_face_finder()


@pytest.fixture(scope="session")
def method(tmp_path_factory):
    return save_textured_head(tmp_path_factory.mktemp("textured") / "method.ckpt", 256)


@pytest.fixture(scope="session")
def drivers(real, finder, tmp_path_factory):
    """Short drivers, the first frame of each as a picture, and the landmarks of their frames."""
    folder, tracks = tmp_path_factory.mktemp("drivers"), {}

    def prepare(name):
        video, picture = folder / f"{name}.mp4", folder / f"{name}.png"
        if name not in tracks:
            reader = VideoReader(real / f"{name}.mp4")
            with VideoWriter(video, reader.fps, (reader.info.width, reader.info.height), crf=8) as writer:
                for image in islice(reader, 0, FRAMES * STEP, STEP):
                    writer.write(image)
            write_image(picture, next(iter(VideoReader(video))))
            tracks[name] = read_landmarks(video, finder)
        return video, picture, tracks[name]

    return prepare


@pytest.mark.slow
@pytest.mark.parametrize("motion", ["auto", "absolute"])
@pytest.mark.parametrize("name", CLIPS)
def test_results_are_nearer_to_the_driver_than_the_source(name, motion, method, drivers, finder, tmp_path):
    """Frame 0 driven by its clip, pasted back, written and read again."""
    video, picture, landmarks = drivers(name)
    animate(method, picture, video, tmp_path / "out.mp4", motion=motion, paste_back=True, audio="none", device="cpu")
    results = read_landmarks(tmp_path / "out.mp4", finder)
    unit = inter_ocular_distance(landmarks)
    error = np.linalg.norm((results - landmarks)[:, INNER], axis=-1).mean(1) / unit
    copied = np.linalg.norm((landmarks[0] - landmarks)[:, INNER], axis=-1).mean(1) / unit
    print(f"\n{name} {motion}: copied {copied.mean():.4f}, result {error.mean():.4f}, first {error[0]:.4f}")
    assert error[0] < 0.02
    assert error.mean() < copied.mean()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "driver"), [("clip_d0", "clip_d18"), ("clip_d18", "clip_d20"), ("clip_d20", "clip_d0")]
)
def test_another_person_keeps_the_head_s_size_and_place(source, driver, method, drivers, finder, tmp_path):
    """The distance between the eyes changes by the driver's ratio, and the eyes move by the driver's way."""
    video, _, driving = drivers(driver)
    _, picture, own = drivers(source)
    animate(method, picture, video, tmp_path / "out.mp4", paste_back=True, audio="none", device="cpu")
    results = read_landmarks(tmp_path / "out.mp4", finder)
    sizes, places = (
        [np.stack([measure(points) for points in faces]) for faces in (results, driving)]
        for measure in (_eye_distance, lambda points: points[EYES].mean(0))
    )
    drift = sizes[0] / sizes[0][0] / (sizes[1] / sizes[1][0])
    way = (places[0] - places[0][0]) / sizes[0][0] - (places[1] - places[1][0]) / sizes[1][0]
    first, far = sizes[0][0] / _eye_distance(own[0]), np.linalg.norm(way, axis=-1).max()
    print(f"\n{source} by {driver}: size {drift.min():.3f} to {drift.max():.3f}, place {far:.3f}, first {first:.3f}")
    assert np.abs(drift - 1).max() < 0.1
    assert far < 0.1
    assert first == pytest.approx(1, abs=0.1)


def read_landmarks(path, finder):
    """(T, 68, 2) of each frame by itself: a track steadies them over time, which would hide errors or make them."""
    images = list(VideoReader(path))
    return np.stack([finder.landmarks.landmarks(image, finder.detector.detect(image)[0]) for image in images])


def _eye_distance(points):
    return np.linalg.norm(points[36] - points[45])
