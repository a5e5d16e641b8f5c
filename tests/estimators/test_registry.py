from __future__ import annotations

import socket

import numpy as np
import pytest
import torch

from reenact.errors import ReenactError
from reenact.estimators.base import FaceBox
from reenact.estimators.registry import load_face_finder, resolve_landmarks


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


@pytest.mark.slow
def test_face_alignment_from_files_of_the_official_names(empty_cache, no_network):
    api = pytest.importorskip("face_alignment.api")
    from face_alignment.detection.sfd.net_s3fd import s3fd

    torch.manual_seed(0)
    torch.save(s3fd().state_dict(), empty_cache / "s3fd-619a316812.pth")
    torch.save(api.FAN(4).state_dict(), empty_cache / "2DFAN4-11f355bf06.pth.tar")
    finder = load_face_finder("auto")
    assert finder.name == "face-alignment"
    image = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    assert isinstance(finder.detector.detect(image), list)
    assert finder.landmarks.landmarks(image, FaceBox(20, 20, 70, 80)).shape == (68, 2)
