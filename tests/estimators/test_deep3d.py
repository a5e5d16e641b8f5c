"""Deep3D from a file of the official form: layout, and where its face lies in the picture by the official formulas."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from faces.made_bfm import made_bfm, write_bfm

from estimators.made_deep3d import deep3d_state, write_deep3d
from reenact.errors import ReenactError
from reenact.estimators.deep3d import Deep3D, Deep3DNetwork
from reenact.estimators.registry import load_regressor, regressor_name
from reenact.faces.alignment import TEMPLATE
from reenact.faces.bfm import join_coefficients
from reenact.faces.crop import Crop
from reenact.faces.registry import load_face_model

SIZES = ((230, 310), (270, 150))
"""Heights and widths of the pictures."""


def made_bias() -> torch.Tensor:
    """Coefficients of some face, turned, beside the middle of the crop."""
    parts = torch.randn(257, generator=torch.Generator().manual_seed(0)) * 0.5
    parts[224:227] = torch.tensor([0.2, -0.4, 0.1])
    parts[254:] = torch.tensor([0.15, -0.1, 0.4])
    return parts


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    write_deep3d(folder / "deep3d" / "epoch_20.pth", made_bias())
    write_bfm(folder / "bfm")
    return folder


@pytest.fixture(autouse=True)
def _at_home(home, monkeypatch):
    monkeypatch.setenv("REENACT_HOME", str(home))


@pytest.fixture(scope="module")
def pictures():
    rng = np.random.default_rng(1)
    return [rng.integers(0, 256, (height, width, 3), dtype=np.uint8) for height, width in SIZES]


@pytest.fixture(scope="module")
def landmarks():
    """Faces of 60 and 90 pixels, the second reaching over the picture's edge."""
    rng = np.random.default_rng(2)
    five = (TEMPLATE[:, :2] * (1, -1))[[0, 0, 1, 1, 2, 3, 4]]
    faces = rng.uniform(-0.5, 0.5, (2, 68, 2))
    faces[:, [36, 39, 42, 45, 30, 48, 54]] = five
    return (faces * [[[60.0]], [[90.0]]] + [[[200.0, 90.0]], [[40.0, 120.0]]]).astype(np.float32)


def official_picture_landmarks(coefficients, landmarks, height, width):
    """(68, 2) in pixels of the picture, as `models/bfm.py` and `util/preprocess.py` have it."""
    model, vector = made_bfm(), coefficients.astype(np.float64)
    mean = model["meanshape"].astype(np.float64).reshape(-1, 3)
    shape = (mean - mean.mean(0)).ravel() + model["idBase"] @ vector[:80] + model["exBase"] @ vector[80:144]
    (x, y, z), (cx, cy, cz) = np.sin(vector[224:227]), np.cos(vector[224:227])
    about_x = np.array([[1, 0, 0], [0, cx, -x], [0, x, cx]])
    about_y = np.array([[cy, 0, y], [0, 1, 0], [-y, 0, cy]])
    about_z = np.array([[cz, -z, 0], [z, cz, 0], [0, 0, 1]])
    placed = shape.reshape(-1, 3) @ (about_z @ about_y @ about_x).T + vector[254:257]
    marks = placed[model["keypoints"][0].astype(int) - 1]
    depth = 10 - marks[:, 2]
    in_crop = np.stack([1015 * marks[:, 0] / depth + 112, 224 - (1015 * marks[:, 1] / depth + 112)], 1)

    seen = landmarks.astype(np.float64) - 0.5  # the files count pixels
    five = np.stack([(seen[36] + seen[39]) / 2, (seen[42] + seen[45]) / 2, seen[30], seen[48], seen[54]])
    five[:, 1] = height - 1 - five[:, 1]
    system = np.zeros((10, 8))
    system[0::2, :3] = system[1::2, 4:7] = TEMPLATE
    system[0::2, 3] = system[1::2, 7] = 1
    affine = np.linalg.lstsq(system, five.ravel(), rcond=None)[0]
    scale = 102 / ((np.linalg.norm(affine[:3]) + np.linalg.norm(affine[4:7])) / 2)
    wide, high = int(width * scale), int(height * scale)
    left = int(wide / 2 - 112 + (affine[3] - width / 2) * scale)
    up = int(high / 2 - 112 + (height / 2 - affine[7]) * scale)
    return (in_crop + np.array((left, up))) * (width / wide, height / high)


def test_the_mesh_lies_where_the_official_formulas_put_it(pictures, landmarks):
    regressor, bfm = Deep3D(), load_face_model("bfm")
    vectors = join_coefficients(regressor.codes(pictures, landmarks)).numpy()
    params = regressor.regress(pictures, landmarks)
    assert params.camera.dtype == torch.float32
    marks = bfm.landmarks68(bfm.posed(params))[..., :2].numpy()
    for row, (height, width) in enumerate(SIZES):
        whole = Crop.whole(height, width)
        wanted = official_picture_landmarks(vectors[row], landmarks[row], height, width)
        np.testing.assert_allclose(whole.to_frame(whole.from_ndc(marks[row])), wanted, atol=2e-3)
        # a face of about the size of the one in the picture, so the numbers above are about a face
        assert 0.5 < np.ptp(wanted[17:, 0]) / np.ptp(landmarks[row, 17:, 0]) < 1.5


def test_layout_of_the_output(pictures, landmarks):
    regressor = Deep3D()
    regressor._network.load_state_dict(deep3d_state(torch.arange(257.0), gain=0))
    codes = regressor.codes(pictures[:1], landmarks[:1])
    starts = {"shape": 0, "expression": 80, "texture": 144, "angles": 224, "translation": 254}
    sizes = {"shape": 80, "expression": 64, "texture": 80, "angles": 3, "translation": 3}
    assert {name: int(codes[name][0, 0]) for name in starts} == starts
    assert {name: codes[name].shape[1] for name in sizes} == sizes
    assert codes["light"][0].tolist() == [[227.0 + band + 9 * channel for channel in range(3)] for band in range(9)]


def test_official_names():
    """A ResNet-50 without its last layer, and seven convolutions with bias."""
    state = Deep3DNetwork().state_dict()
    assert len(state) == 53 + 53 * 5 + 14
    assert {"backbone.conv1.weight", "backbone.layer4.2.bn3.num_batches_tracked"} <= set(state)
    heads = [tuple(state[f"final_layers.{index}.weight"].shape) for index in range(7)]
    assert heads == [(size, 2048, 1, 1) for size in (80, 64, 80, 3, 27, 2, 1)]


def test_the_network_sees_the_crop_in_rgb_from_0_to_1(pictures, landmarks):
    regressor, seen = Deep3D(), []
    regressor._network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    white = np.zeros((400, 400, 3), np.uint8)
    white[:] = 255, 51, 0
    regressor.codes([white], landmarks[:1] + 100)
    middle = seen[0][0, :, 100:124, 100:124]
    torch.testing.assert_close(middle.mean((1, 2)), torch.tensor([1.0, 0.2, 0.0]))
    assert seen[0].shape == (1, 3, 224, 224)


def test_batches_change_nothing(pictures, landmarks):
    regressor = Deep3D()
    both = regressor.codes(pictures, landmarks)
    for row in range(2):
        alone = regressor.codes(pictures[row : row + 1], landmarks[row : row + 1])
        for name, value in alone.items():
            torch.testing.assert_close(both[name][row], value[0], atol=1e-4, rtol=1e-4)
    assert not torch.allclose(both["expression"][0], both["expression"][1], atol=1e-6)


def test_what_it_gives(pictures, landmarks):
    params = load_regressor("deep3d").regress(pictures, landmarks)
    shapes = {name: tuple(getattr(params, name).shape[1:]) for name in ("shape", "expression", "texture", "light")}
    assert shapes == {"shape": (80,), "expression": (64,), "texture": (80,), "light": (9, 3)}
    assert params.camera.shape == (2, 7)
    assert not params.neck_pose.any()
    assert not params.jaw_pose.any()
    assert params.eye_pose.shape == (2, 6)
    assert load_regressor("deep3d").name == regressor_name("deep3d") == "deep3d"


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({}, r"its net_recon lacks backbone\.conv1\.weight, .* and 329 more: get it again"),
        ({**Deep3DNetwork().state_dict(), "backbone.fc.bias": torch.ones(257)}, r"unexpected backbone\.fc\.bias: get"),
    ],
)
def test_other_weights_are_refused(state, message, tmp_path, monkeypatch):
    monkeypatch.setenv("REENACT_HOME", str(tmp_path))
    write_deep3d(tmp_path / "deep3d" / "epoch_20.pth", made_bias(), net_recon=state)
    with pytest.raises(ReenactError, match=message):
        Deep3D()


def test_a_missing_file_is_named_before_anything_starts(tmp_path, monkeypatch):
    monkeypatch.setenv("REENACT_HOME", str(tmp_path))
    for attempt in (Deep3D, lambda: regressor_name("deep3d")):
        with pytest.raises(ReenactError, match=r"deep3d/epoch_20\.pth under"):
            attempt()
