"""Masks of the person in prepared stores, by a made network in the place of MediaPipe's and by the official one."""

from __future__ import annotations

from dataclasses import replace
from hashlib import blake2b

import numpy as np
import pytest
import tflite
import torch
from stand_ins.tflite_file import Step, write_network, write_options

from reenact import assets
from reenact.cli import main
from reenact.data.layouts.clip_input import ClipInput
from reenact.data.prepare import job, prepare, runner
from reenact.data.prepare.job import Settings
from reenact.data.prepare.stage_list import stage_keys
from reenact.data.store.reader import Store
from reenact.errors import ReenactError
from reenact.estimators import selfie
from reenact.estimators.registry import FaceFinder
from reenact.world.renderer import World

from .made_faces import Squares, fit_in_one_step, walk, write_clip

WHITE = 0.6
"""Brightness above which the made network sees a person."""

SETTINGS = Settings(face_model="head", landmarks="dlib", crop="fomm", size=64)


@pytest.fixture(autouse=True)
def made_faces(monkeypatch):
    squares = Squares()
    monkeypatch.setattr(job, "load_face_finder", lambda *_: FaceFinder(squares, squares))
    fit_in_one_step(monkeypatch)
    runner._load_tools.cache_clear()


def write_segmenter(path) -> None:
    """Write a network whose person is what is white: the mean of 2 x 2 pixels, steep about a brightness."""
    side = selfie.SIDE
    constants = {
        1: np.full((1, 2, 2, 3), 100 / 12, np.float32),
        2: np.array([-100 * WHITE], np.float32),
        4: np.ones((1, 2, 2, 1), np.float32),
        5: np.zeros(1, np.float32),
    }
    shapes = [(1, side, side, 3), (1, 2, 2, 3), (1,), (1, side // 2, side // 2, 1), (1, 2, 2, 1), (1,)]
    shapes += [(1, side, side, 1)] * 2
    halved = write_options("Conv2D", StrideH=2, StrideW=2, DilationHFactor=1, DilationWFactor=1)
    steps = [
        Step(code=tflite.BuiltinOperator.CONV_2D, inputs=(0, 1, 2), output=3, options=halved),
        Step(code="Convolution2DTransposeBias", inputs=(3, 4, 5), output=6),
        Step(code=tflite.BuiltinOperator.LOGISTIC, inputs=(6,), output=7),
    ]
    path.write_bytes(write_network(shapes, constants, steps))


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("REENACT_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def test_masks_are_stored_with_their_frames(tmp_path, home):
    write_segmenter(home / "selfie_segmenter.tflite")
    write_clip(tmp_path / "a.mp4", walk(6))
    prepare(tmp_path / "a.mp4", tmp_path / "store", masks=True, size=64, workers=1)
    store = Store(tmp_path / "store")
    assert "mask" in store.info.fields
    portrait = store.read(store.clips()[0], [0, 5])
    white = (portrait.image + 1).mean(1, keepdim=True) / 2 > WHITE
    assert 0.05 < white.float().mean() < 0.6
    assert ((portrait.mask > 0.5) == white).float().mean() > 0.97


def test_without_masks_a_store_is_as_before(tmp_path, home):
    write_clip(tmp_path / "a.mp4", walk(6))
    prepare(tmp_path / "a.mp4", tmp_path / "store", size=64, workers=1)
    store = Store(tmp_path / "store")
    assert "mask" not in store.info.fields
    assert "masks" not in store.info.recipe
    write_segmenter(home / "selfie_segmenter.tflite")
    with pytest.raises(ReenactError, match=r'not \[.*"mask".*\]; choose another output folder or the same settings'):
        prepare(tmp_path / "a.mp4", tmp_path / "store", size=64, masks=True, workers=1)


def test_keys_without_masks_are_those_of_stores_before_there_were_any(tmp_path):
    clip = ClipInput(path=tmp_path / "a.mp4", name="a.mp4", split="train", identity="a")
    keys = stage_keys("content", clip, SETTINGS)
    parts = "write", SETTINGS.version, (keys["camera"], "edge")
    assert keys["write"] == blake2b(repr(parts).encode(), digest_size=16).hexdigest()
    masked = stage_keys("content", clip, replace(SETTINGS, masks=True))
    assert [name for name in keys if keys[name] != masked[name]] == ["masks", "write", "preview"]


def test_a_missing_or_damaged_network_ends_the_run_in_a_sentence(tmp_path, home, capsys):
    write_clip(tmp_path / "a.mp4", walk(3))
    words = ["prepare", str(tmp_path / "a.mp4"), "--out", str(tmp_path / "store"), "--masks", "--workers", "1"]
    assert main(words) == 2
    assert "selfie segmentation" in (error := capsys.readouterr().err)
    assert "reenact weights get selfie" in error
    (home / "selfie_segmenter.tflite").write_bytes(b"no network at all")
    runner._load_tools.cache_clear()
    assert main(words) == 2
    assert "is no TensorFlow Lite file: get it again" in capsys.readouterr().err


def test_the_official_network_finds_the_people_of_the_world():
    path = assets.locate_asset(selfie.ASSET)
    if path is None:
        pytest.skip("needs the file of the asset selfie")
    finder, world = selfie.load_person_finder(), World(0)
    for person in range(1000, 1004):
        pictures, _, _ = world.sequence(person, 0, [0, 40], 256)
        found = torch.from_numpy(finder.find(pictures))
        right = torch.from_numpy(world.masks(person, 0, [0, 40], 256))[:, 0] > 0.5
        assert ((found & right).sum((1, 2)) / (found | right).sum((1, 2))).min() > 0.97
