from __future__ import annotations

import socket
from importlib import import_module
from typing import get_args

import numpy as np
import pytest
import torch

from reenact.assets import ASSETS
from reenact.errors import ReenactError
from reenact.estimators.base import FaceBox
from reenact.estimators.registry import (
    IdentityNetwork,
    LandmarkLibrary,
    RegressorChoice,
    load_face_finder,
    load_identity,
    resolve_identity,
    resolve_landmarks,
)
from reenact.estimators.table import ESTIMATORS, PACKAGES, current_name, list_estimators


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("REENACT_HOME", str(tmp_path / "reenact"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    (tmp_path / "reenact").mkdir()
    return tmp_path / "reenact"


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("something was about to be downloaded")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.mark.parametrize(
    ("protocol", "names"), [("finder", LandmarkLibrary), ("identity", IdentityNetwork), ("regressor", RegressorChoice)]
)
def test_options_offer_the_estimators_of_the_table(protocol, names):
    assert tuple(list_estimators(protocol)) == get_args(names)


@pytest.mark.parametrize("entry", ESTIMATORS, ids=lambda entry: f"{entry.protocol}-{entry.name}")
def test_an_entry_names_what_there_is(entry):
    module, _, function = entry.loader.partition(":")
    assert callable(getattr(import_module(module), function))
    assert set(entry.assets) <= set(ASSETS)
    assert len({PACKAGES[name].extra for name in entry.packages}) <= 1  # one command installs them
    assert entry.finder is None or entry.finder in list_estimators("finder")


def test_names_of_earlier_versions_are_read():
    assert [current_name(name) for name in ("fan", "scrfd", "arcface", "arcface_r100", "dlib")] == [
        "face-alignment", "insightface", "arcface-r50", "arcface-r100", "dlib",
    ]  # fmt: skip


def test_auto_means_what_is_there(empty_cache):
    assert resolve_landmarks("auto") == "dlib"
    (empty_cache / "2DFAN4-11f355bf06.pth.tar").touch()
    assert resolve_landmarks("auto") == "dlib"
    (empty_cache / "s3fd-619a316812.pth").touch()
    assert resolve_landmarks("auto") == "face-alignment"
    assert resolve_landmarks("dlib") == "dlib"
    assert load_face_finder("dlib").name == "dlib"


def test_missing_weights_are_named_and_not_downloaded(empty_cache, no_network):
    with pytest.raises(ReenactError, match=r"s3fd-619a316812\.pth under"):
        load_face_finder("face-alignment")


@pytest.fixture
def face_alignment_files(empty_cache):
    """Files of the official names, keys and shapes: the depth network was saved from a DataParallel."""
    models = pytest.importorskip("face_alignment.models")
    from face_alignment.detection.sfd.net_s3fd import s3fd

    torch.manual_seed(0)
    torch.save(s3fd().state_dict(), empty_cache / "s3fd-619a316812.pth")
    fan = {name: value for name, value in models.FAN(4).state_dict().items() if "num_batches" not in name}
    torch.save(fan, empty_cache / "2DFAN4-11f355bf06.pth.tar")
    torch.save(fan, empty_cache / "3DFAN4-7835d9f11d.pth.tar")
    depth = {f"module.{name}": value for name, value in models.ResNetDepth().state_dict().items()}
    torch.save({"epoch": 3, "arch": "resnet", "state_dict": depth}, empty_cache / "depth-2a464da4ea.pth.tar")
    return empty_cache


@pytest.mark.slow
def test_face_alignment_from_files_of_the_official_names(face_alignment_files, no_network):
    finder = load_face_finder("auto")
    assert finder.name == "face-alignment"
    image = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    assert isinstance(finder.detector.detect(image), list)
    assert finder.landmarks.landmarks(image, FaceBox(left=20, top=20, right=70, bottom=80)).shape == (68, 2)


@pytest.mark.slow
def test_face_alignment_in_3d(face_alignment_files, no_network):
    from reenact.estimators.face_alignment import FaceAlignment3D

    estimator = FaceAlignment3D()
    assert estimator.name == "face-alignment-3d"
    image = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    box = FaceBox(left=20, top=20, right=70, bottom=80)
    points = estimator.landmarks_3d(image, box)
    assert points.shape == (68, 3)
    np.testing.assert_array_equal(estimator.landmarks(image, box), points[:, :2])


def test_damaged_files_of_face_alignment(face_alignment_files):
    detector = face_alignment_files / "s3fd-619a316812.pth"
    whole = detector.read_bytes()
    detector.write_bytes(whole[:1000])
    with pytest.raises(ReenactError, match=r"s3fd-619a316812\.pth is damaged"):
        load_face_finder("face-alignment")
    torch.save({"conv1_1.weight": torch.zeros(1)}, detector)
    with pytest.raises(ReenactError, match=r"s3fd-619a316812\.pth is not the official file"):
        load_face_finder("face-alignment")
    detector.write_bytes(whole)
    torch.save({"conv1.weight": torch.zeros(1)}, face_alignment_files / "2DFAN4-11f355bf06.pth.tar")
    with pytest.raises(ReenactError, match=r"2DFAN4-11f355bf06\.pth\.tar is not the official file"):
        load_face_finder("face-alignment")


def test_identities_by_name(empty_cache, monkeypatch):
    monkeypatch.setenv("HOME", str(empty_cache))
    assert resolve_identity("auto") == "dlib"
    assert load_identity("auto").name == "dlib"
    with pytest.raises(ReenactError, match=r"InsightFace pack antelopev2.* is missing"):
        load_identity("arcface-r100")
