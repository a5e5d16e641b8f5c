"""Faces prepared as a method's training data was: by the network that gave its parameters, in its crop."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from estimators.made_deep3d import write_deep3d
from estimators.made_regressors import write_deca, write_emoca, write_flame
from faces.made_bfm import write_bfm

from reenact.apps.face_input import open_clip
from reenact.data.prepare.job import Settings, store_info
from reenact.data.store.writer import StoreWriter
from reenact.errors import ReenactError
from reenact.estimators.base import FaceBox
from reenact.estimators.registry import FaceFinder, load_regressor
from reenact.estimators.turned import LandmarkCheck
from reenact.faces.crop import Crop, crop_from_landmarks
from reenact.faces.registry import load_face_model
from reenact.media.video import VideoReader
from reenact.media.video_writer import VideoWriter
from reenact.tracking import landmark_placer
from reenact.tracking import target as target_module
from reenact.tracking.read_face import read_picture_face
from reenact.tracking.target import build_target

FRAMES, HEIGHT, WIDTH, SIZE = 5, 160, 200, 64
UNSEEN = 2
"""The frame without a face."""


class Head:
    """Finds a face with the built-in head's landmarks, which moves to the right; the corner says how far."""

    name = "dlib"

    def __init__(self):
        head = load_face_model("head")
        self._points = head.landmarks68(head.mean_vertices[None])[0, :, :2].numpy() * [500, -500]

    def detect(self, image):
        number = frame_number(image)
        return [] if number == UNSEEN else [FaceBox.around(self.landmarks(image, None))]

    def detect_near(self, image, box):
        return next(iter(self.detect(image)), None)

    def landmarks(self, image, box):
        return (self._points + np.array([90 + 4 * frame_number(image), 80])).astype(np.float32)


def frame_number(image):
    return round((float(image[:16, :16].mean()) - 100) / 16)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    write_flame(folder / "flame")
    write_bfm(folder / "bfm")
    write_deca(folder / "deca" / "deca_model.tar")
    coefficients = torch.linspace(-0.1, 0.1, 257)
    coefficients[254:] = torch.tensor([0.1, 0.1, 0.5])
    write_deep3d(folder / "deep3d" / "epoch_20.pth", coefficients)
    write_emoca(folder / "emoca" / "EMOCA.ckpt")
    return folder


@pytest.fixture(autouse=True)
def here(home, monkeypatch):
    monkeypatch.setenv("REENACT_HOME", str(home))
    finder = Head()
    monkeypatch.setattr(target_module, "load_face_finder", lambda device: FaceFinder(finder, finder))
    # the stand-in reads the frame's number from its corner, which turned copies of the face do not show
    monkeypatch.setattr(landmark_placer, "check_landmarks", lambda *_: LandmarkCheck(0, 0, 0))


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    path = tmp_path_factory.mktemp("video") / "clip.mp4"
    draw = np.random.default_rng(0)
    with VideoWriter(path, Fraction(25), (WIDTH, HEIGHT)) as writer:
        for number in range(FRAMES):
            image = draw.integers(90, 160, (HEIGHT, WIDTH, 3), dtype=np.uint8)
            image[:16, :16] = 100 + 16 * number
            writer.write(image)
    return path


def target_of(recipe, face_model="flame", parameters="auto"):
    model = load_face_model(face_model) if face_model else None
    return build_target(Path("x.ckpt"), recipe, model, SIZE, parameters, "cpu")


@pytest.mark.parametrize(("name", "face_model"), [("deca", "flame"), ("deep3d", "bfm")])
@pytest.mark.parametrize("motion", ["fixed", "per_frame"])
def test_the_network_of_the_training_data_says_the_parameters(name, face_model, motion, video):
    target = target_of({"parameters": name, "regressor": name}, face_model)
    clip = open_clip(video, target, motion)
    assert clip.found.tolist() == [number != UNSEEN for number in range(FRAMES)]
    image = list(VideoReader(video))[4]
    said = load_regressor(name).regress([image], clip.landmarks[4:])
    torch.testing.assert_close(clip.params.shape[4:], said.shape)
    torch.testing.assert_close(clip.params.light[4:], said.light)
    seen = [
        crop.to_frame(crop.from_ndc(mesh)) for crop, mesh in zip(clip.crops, posed(target, clip.params), strict=True)
    ]
    whole = Crop.whole(HEIGHT, WIDTH)
    np.testing.assert_allclose(seen[4], whole.to_frame(whole.from_ndc(posed(target, said)[0])), atol=0.02)
    between = (clip.params.expression[1] + clip.params.expression[3]) / 2
    torch.testing.assert_close(clip.params.expression[UNSEEN], between)


def posed(target, params):
    return target.face_model.posed(params)[..., :2].numpy()


def test_a_picture_too(video):
    target = target_of({"regressor": "deca"})
    image = next(iter(VideoReader(video)))
    clip = read_picture_face(Path("x.png"), image, target)
    said = load_regressor("deca").regress([image], clip.landmarks)
    torch.testing.assert_close(clip.params.expression, said.expression)


@pytest.mark.parametrize(
    ("recipe", "rule"),
    [({}, "pwm"), ({"crop": "export3d"}, "export3d"), ({"crop": "none"}, "fomm"), ({"crop": "dataset"}, "fomm")],
)
def test_the_crop_is_that_of_the_training_data(recipe, rule, video):
    clip = open_clip(video, target_of(recipe, None), "per_frame")
    assert clip.crops[0] == crop_from_landmarks(clip.landmarks[0], rule, SIZE)
    assert clip.params is None


def test_who_says_the_parameters():
    assert target_of({}).regressor is None
    assert target_of({"parameters": "fit"}).regressor is None
    assert target_of({"regressor": "deca"}, parameters="fit").regressor is None
    assert target_of({"regressor": "deca"}, parameters="emoca").regressor.name == "emoca"
    assert target_of({"regressor": "deca"}, None).regressor is None  # it reads images alone


def test_networks_that_are_not_here_or_of_another_face_model_are_refused(home, monkeypatch):
    with pytest.raises(
        ReenactError, match=r"x\.ckpt was trained on .* by emoca_v2_lr_mse_20.*EMOCA\.ckpt is not emoca_v2_lr_mse_20"
    ):
        target_of({"regressor": "emoca_v2_lr_mse_20"})
    with pytest.raises(ReenactError, match=r"deep3d gives those of bfm, and x\.ckpt is driven by those of flame"):
        target_of({}, parameters="deep3d")
    flame = load_face_model("flame")
    monkeypatch.setenv("REENACT_HOME", str(home / "nothing"))
    with pytest.raises(ReenactError, match=r"by deca, and DECA.* is missing.*deca_model\.tar.*--parameters fit"):
        build_target(Path("x.ckpt"), {"regressor": "deca"}, flame, SIZE, "auto", "cpu")


def test_a_store_of_another_network_is_refused(tmp_path):
    flame = load_face_model("flame")
    settings = Settings(
        face_model=flame.name, landmarks="dlib", crop="fomm", size=SIZE, parameters="deca", regressor="deca"
    )
    StoreWriter(tmp_path, store_info(settings))
    with pytest.raises(
        ReenactError, match=r"parameters by deca and the source's are by fitting: pass --parameters deca"
    ):
        open_clip(tmp_path, target_of({}))
    with pytest.raises(ReenactError, match="no usable clip"):
        open_clip(tmp_path, target_of({"regressor": "deca"}))


def test_a_store_of_another_face_model_is_refused_both_ways(tmp_path, monkeypatch):
    monkeypatch.setenv("REENACT_HOME", str(write_bfm(tmp_path / "home" / "bfm").parents[1]))
    models = load_face_model("bfm"), load_face_model("head")
    for face_model, other in (models, models[::-1]):
        settings = Settings(face_model=face_model.name, landmarks="dlib", crop="fomm", size=SIZE)
        root = tmp_path / face_model.name
        StoreWriter(root, store_info(settings))
        target = build_target(Path("x.ckpt"), {}, other, SIZE, "fit", "cpu")
        with pytest.raises(ReenactError, match=f"needs '{other.name}'; prepare .* with --face-model {other.name}$"):
            open_clip(root, target)
