"""DECA, EMOCA and SMIRK from files of the official form, from the picture to the posed mesh."""

from __future__ import annotations

import os
import sys
from types import SimpleNamespace
from typing import get_args

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates

from estimators.made_regressors import DECA_BIAS, write_deca, write_emoca, write_flame, write_smirk
from reenact.errors import ReenactError
from reenact.estimators import smirk
from reenact.estimators.base import FaceBox
from reenact.estimators.deca import Deca, ResnetEncoder, deca_crop
from reenact.estimators.emoca import Emoca
from reenact.estimators.registry import RegressorChoice, load_face_finder, load_regressor, regressor_name
from reenact.estimators.smirk import DecaSmirk, Smirk, SmirkNetwork, mesh_box, smirk_crop
from reenact.faces.crop import Crop
from reenact.faces.registry import load_face_model
from reenact.media.pictures import read_image

FLAME = ("deca", "emoca", "smirk", "smirk-68", "deca+smirk")
REGRESSORS = [Deca, Emoca, Smirk, DecaSmirk]
LANDMARKS = np.random.default_rng(0).uniform([40, 60], [120, 150], (2, 68, 2)).astype(np.float32)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """An asset folder with every file."""
    folder = tmp_path_factory.mktemp("home")
    write_deca(folder / "deca" / "deca_model.tar")
    write_emoca(folder / "emoca" / "EMOCA_v2_lr_mse_20.ckpt")
    write_smirk(folder / "smirk" / "SMIRK_em1.pt")
    write_flame(folder / "flame")
    return folder


@pytest.fixture(autouse=True)
def _at_home(home, monkeypatch):
    monkeypatch.setenv("REENACT_HOME", str(home))
    monkeypatch.setattr(smirk, "_mesh_reader", Mesh)


class Mesh:
    """Stands in for MediaPipe."""

    def read(self, image, box):
        return SimpleNamespace(box=FaceBox(left=box.left - 4, top=box.top - 20, right=box.right + 4, bottom=box.bottom))


class Blind:
    """Sees no face."""

    def read(self, image, box):
        return None


def mesh_of(landmarks):
    return Mesh().read(None, FaceBox.around(landmarks)).box


@pytest.fixture(scope="module")
def pictures():
    rng = np.random.default_rng(1)
    return [rng.integers(0, 256, (height, width, 3), dtype=np.uint8) for height, width in ((200, 180), (170, 260))]


@pytest.fixture(scope="module")
def flame(home):
    return load_face_model(str(home / "flame" / "generic_model.pkl"))


def box_of(left, top, right, bottom):
    """(68, 2) landmarks whose box is this."""
    return np.linspace([left, top], [right, bottom], 68).astype(np.float32)


def test_deca_crop_by_hand():
    """Size (80 + 100) / 2 * 1.1 = 99, times 1.25 rounded down is 123; corners on the centres of corner pixels."""
    crop = deca_crop(box_of(100, 50, 180, 150))
    corners = np.array([[140 - 61.5, 100 - 61.5], [140 + 61.5, 100 + 61.5]])
    np.testing.assert_allclose(crop.to_crop(corners), [[0.5, 0.5], [223.5, 223.5]], atol=1e-9)
    assert crop.size == 224
    wider = deca_crop(box_of(100, 50, 180, 150), 1.3)
    np.testing.assert_allclose(wider.to_crop(np.array([140 - 64.0, 100 + 64.0])), [0.5, 223.5], atol=1e-9)


def test_smirk_crop_by_hand():
    """Around MediaPipe's box: (81 + 100) / 2 * 1.4 = 126. From 68 landmarks: 90 * 1.08 * 1.4 = 136, 9 higher."""
    crop = smirk_crop(FaceBox(left=100, top=50, right=181, bottom=150))
    np.testing.assert_allclose(crop.to_crop(np.array([[140.5 - 63, 100 - 63], [203.5, 163]])), [[0.5] * 2, [223.5] * 2])
    crop = smirk_crop(mesh_box(box_of(100, 50, 180, 150)))
    np.testing.assert_allclose(crop.to_crop(np.array([[140 - 68.0, 91 - 68], [208, 159]])), [[0.5] * 2, [223.5] * 2])


def test_the_crop_holds_the_official_samples():
    """Pixel j of DECA's warp is the bilinear sample at index c - s / 2 + j s / 223 (corners on pixel centres)."""
    rows, columns = np.mgrid[:280, :310]
    waves = 120 + 60 * np.sin(rows / 9) * np.cos(columns / 7)
    picture = np.stack([rows * 0.9, columns * 0.8, waves], -1).astype(np.uint8)
    landmarks = box_of(150, 90, 270, 230)
    side, centre = int((120 + 140) / 2 * 1.1 * 1.25), np.array([210, 160]) - 0.5
    x, y = (centre[:, None] - side / 2 + np.arange(224) * side / 223)[:, None]
    places = np.stack(np.broadcast_arrays(y.T, x))
    samples = [map_coordinates(picture[..., k].astype(float), places, order=1) for k in range(3)]
    np.testing.assert_allclose(deca_crop(landmarks).warp_to_crop(picture), np.stack(samples, -1), atol=2)


def test_layout_of_the_output(pictures):
    """236 numbers in the order shape 100, texture 50, expression 50, head 3, jaw 3, camera 3, light 9 by 3."""
    regressor = Deca()
    with torch.no_grad():
        regressor._network.flame.layers[2].weight.zero_()
        regressor._network.flame.layers[2].bias.copy_(torch.arange(236.0))
    codes = regressor.codes(pictures[:1], LANDMARKS[:1])
    starts = {"shape": 0, "texture": 100, "expression": 150, "global_pose": 200, "jaw_pose": 203, "camera": 206}
    assert {name: int(value[0, 0]) for name, value in codes.items() if name != "light"} == starts
    assert codes["light"][0].tolist() == [[209.0 + 3 * band + channel for channel in range(3)] for band in range(9)]


def test_official_names():
    """53 convolutions, 53 normalisations of 5 entries, 2 linear layers."""
    names = set(ResnetEncoder(236).state_dict())
    assert len(names) == 53 + 53 * 5 + 4
    assert {"encoder.conv1.weight", "encoder.layer1.0.downsample.1.running_var", "layers.0.weight"} <= names
    assert not any("fc" in name for name in names)
    state = SmirkNetwork().state_dict()
    assert state["pose_encoder.pose_cam_layers.0.weight"].shape == (6, 576)
    assert state["shape_encoder.shape_layers.0.bias"].shape == (300,)
    assert state["expression_encoder.expression_layers.0.weight"].shape == (55, 960)
    assert state["expression_encoder.encoder.blocks.6.0.conv.weight"].shape == (960, 160, 1, 1)


@pytest.mark.parametrize("kind", REGRESSORS)
def test_the_mesh_lies_in_the_picture_as_in_the_crop(kind, pictures, flame):
    regressor = kind()
    params, codes = regressor.regress(pictures, LANDMARKS), regressor.codes(pictures, LANDMARKS)
    assert params.camera.dtype == torch.float32
    vertices = flame.vertices(params)
    seen = flame.project(vertices, codes["camera"])
    placed = flame.project(vertices, params.camera)
    for row, picture in enumerate(pictures):
        crop = smirk_crop(mesh_of(LANDMARKS[row])) if kind is Smirk else deca_crop(LANDMARKS[row])
        crop = deca_crop(LANDMARKS[row], 1.3) if kind is DecaSmirk else crop
        whole = Crop.whole(*picture.shape[:2])
        in_picture = whole.to_frame(whole.from_ndc(placed[row, :, :2]))
        in_crop = crop.to_ndc(crop.to_crop(in_picture))
        torch.testing.assert_close(in_crop, seen[row, :, :2], atol=1e-4, rtol=0)
    # a face of about the crop's size, so the numbers above are about a face
    assert 0.5 < np.ptp(seen[0, :, 0].numpy()) < 3


@pytest.mark.parametrize("kind", REGRESSORS)
def test_batches_change_nothing(kind, pictures):
    regressor = kind()
    both = regressor.codes(pictures, LANDMARKS)
    again = regressor.codes(pictures, LANDMARKS)
    for row in range(2):
        alone = regressor.codes(pictures[row : row + 1], LANDMARKS[row : row + 1])
        for name, value in alone.items():
            torch.testing.assert_close(both[name][row], value[0], atol=1e-4, rtol=1e-4)
    assert all(torch.equal(both[name], again[name]) for name in both)
    assert not torch.allclose(both["expression"][0], both["expression"][1], atol=1e-6)
    assert not both["expression"].requires_grad


def test_what_each_gives(pictures):
    deca, emoca, moved = (kind().regress(pictures, LANDMARKS) for kind in (Deca, Emoca, Smirk))
    merged = DecaSmirk().regress(pictures, LANDMARKS)
    for params, shapes in ((deca, 100), (emoca, 100), (moved, 300), (merged, 100)):
        sizes = (params.shape.shape, params.expression.shape, params.eye_pose.shape, params.neck_pose.shape)
        assert sizes == ((2, shapes), (2, 50), (2, 6), (2, 3))
        assert not params.neck_pose.any()
        assert not params.eye_pose.any()
    assert deca.light.shape == (2, 9, 3)
    assert deca.texture.shape == (2, 50)
    assert moved.light is None
    assert torch.allclose(deca.shape, DECA_BIAS[:100].expand(2, -1), atol=0.3)
    torch.testing.assert_close(emoca.global_pose, deca.global_pose)
    assert torch.allclose(emoca.expression, torch.tensor(3.0), atol=0.5)
    torch.testing.assert_close(merged.expression, moved.expression)
    torch.testing.assert_close(merged.jaw_pose, moved.jaw_pose)
    assert merged.light is not None


def test_regressors_by_name():
    names = {choice: load_regressor(choice).name for choice in get_args(RegressorChoice) if choice in FLAME}
    assert names == {**{choice: choice for choice in FLAME}, "emoca": "emoca_v2_lr_mse_20"}
    with pytest.raises(ReenactError, match=r"face_landmarker\.task"):
        regressor_name("smirk")
    assert all(regressor_name(choice) == name for choice, name in names.items() if "smirk" not in choice)


def test_smirk_without_a_mesh_looks_where_it_would_be(monkeypatch):
    picture, landmarks = np.zeros((200, 200, 3), np.uint8), LANDMARKS[0]
    assert Smirk().crop(picture, landmarks) == smirk_crop(mesh_of(landmarks))
    assert Smirk(mesh=False).crop(picture, landmarks) == smirk_crop(mesh_box(landmarks))
    monkeypatch.setattr(smirk, "_mesh_reader", Blind)
    assert Smirk().crop(picture, landmarks) == smirk_crop(mesh_box(landmarks))


def test_smirk_keeps_its_ranges(pictures):
    codes = Smirk().codes(pictures, LANDMARKS)
    assert codes["eyelids"].tolist() == [[0.0, 1.0]] * 2
    torch.testing.assert_close(codes["jaw_pose"][:, 1:], torch.tensor([[0.2, -0.2]]).expand(2, -1))
    assert (codes["jaw_pose"][:, 0] >= 0).all()


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"E_flame": {}}, r"its E_flame lacks encoder\.conv1\.weight, .* and 319 more: get it again"),
        ({"E_flame": torch.zeros(3)}, r"its E_flame lacks encoder\.conv1\.weight"),
        ({"E_flame": {**ResnetEncoder(236).state_dict(), "head.bias": torch.ones(1)}}, "unexpected head.bias: get"),
        ({"E_flame": ResnetEncoder(50).state_dict()}, r"layers\.2\.weight \(50, 1024\), not \(236, 1024\), layers"),
    ],
)
def test_other_weights_are_refused(parts, message, tmp_path, monkeypatch):
    monkeypatch.setenv("REENACT_HOME", str(tmp_path))
    write_deca(tmp_path / "deca" / "deca_model.tar", **parts)
    with pytest.raises(ReenactError, match=message):
        Deca()


@pytest.mark.parametrize("content", [b"", b"no weights", "half", "list"])
def test_damaged_files_are_refused(content, home, tmp_path, monkeypatch):
    monkeypatch.setenv("REENACT_HOME", str(tmp_path))
    path = tmp_path / "deca" / "deca_model.tar"
    path.parent.mkdir()
    if content == "half":
        content = (home / "deca" / "deca_model.tar").read_bytes()[:50_000_000]
    if content == "list":
        torch.save([1, 2], path)
    else:
        path.write_bytes(content)
    with pytest.raises(ReenactError, match=r"deca_model\.tar (is damaged|holds no dictionary).*again"):
        Deca()


class Hostile:
    """Unpickled, it would make a folder."""

    def __init__(self, place):
        self.place = str(place)

    def __reduce__(self):
        return os.mkdir, (self.place,)


class Sly(Hostile):
    """The same by a module that torch does not block."""

    def __reduce__(self):
        return eval, (f"__import__('os').mkdir({self.place!r})",)


@pytest.mark.parametrize("kind", [Hostile, Sly])
def test_nothing_in_a_file_runs(kind, tmp_path, monkeypatch):
    monkeypatch.setenv("REENACT_HOME", str(tmp_path))
    write_deca(tmp_path / "deca" / "deca_model.tar", E_flame=kind(tmp_path / "made"))
    with pytest.raises(ReenactError, match=r"deca_model\.tar is"):
        Deca()
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("kind", "file"), [(Deca, "deca/deca_model.tar"), (Emoca, "emoca/EM"), (Smirk, "SMIRK_em1.pt")]
)
def test_missing_files_are_named(kind, file, tmp_path, monkeypatch):
    monkeypatch.setenv("REENACT_HOME", str(tmp_path))
    with pytest.raises(ReenactError, match=file):
        kind()


def test_missing_timm_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ReenactError, match=r"reenact-zoo\[smirk\]"):
        Smirk()


def test_landmarks_tell_where_the_mesh_of_real_portraits_is(real, home, tmp_path, monkeypatch):
    pytest.importorskip("dlib")
    task = real.parent / "weights" / "face_landmarker.task"
    if not task.is_file():
        pytest.skip("needs shared/weights beside the checkout")
    (tmp_path / "smirk").symlink_to(home / "smirk")
    (tmp_path / "face_landmarker.task").symlink_to(task)
    monkeypatch.undo()
    monkeypatch.setenv("REENACT_HOME", str(tmp_path))
    regressor, finder = Smirk(), load_face_finder("dlib")
    for name in ("portrait_s5.jpg", "portrait_d8.jpg"):
        picture = read_image(real / name)
        landmarks = finder.landmarks.landmarks(picture, finder.detector.detect(picture)[0])
        found, told = regressor.crop(picture, landmarks), smirk_crop(mesh_box(landmarks))
        assert found != told
        assert found.size_in_frame == pytest.approx(told.size_in_frame, rel=0.05)
        assert found.left == pytest.approx(told.left, abs=0.05 * told.size_in_frame)
        assert found.top == pytest.approx(told.top, abs=0.05 * told.size_in_frame)
