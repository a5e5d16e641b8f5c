"""Faces are found once, shown to each network as its authors do, and where there is none there is no number."""

import math

import numpy as np
import pytest
import torch
from estimators.made_deep3d import write_deep3d
from estimators.made_insightface import write_pack
from estimators.made_regressors import DECA_BIAS, write_deca, write_emoca

from reenact.estimators.base import FaceBox
from reenact.estimators.deca import Deca
from reenact.estimators.dlib import DlibIdentity
from reenact.estimators.registry import FaceFinder
from reenact.faces.rotation import axis_angle_to_euler
from reenact.metrics import catalogue, face_readers, readers
from reenact.metrics.face_readers import to_library_images
from reenact.metrics.scene import Frames

POINTS = np.random.default_rng(0).uniform([30, 40], [80, 90], (68, 2)).astype(np.float32)


class Finder:
    """Finds a face at `POINTS`, moved by the brightness of the first pixel; none where that is black."""

    name = "made"

    def __init__(self):
        self.looks = 0

    def detect(self, image):
        self.looks += 1
        far = FaceBox(left=0, top=0, right=20, bottom=20)
        return [FaceBox(left=20, top=30, right=90, bottom=100), far] if image[0, 0, 0] else []

    def landmarks(self, image, box):
        assert box.right == 90, "the largest face is read"
        return POINTS + np.float32(image[0, 0, 0] / 100)


@pytest.fixture
def finder(home, monkeypatch):
    made = Finder()
    monkeypatch.setattr(face_readers, "load_face_finder", lambda library, device: FaceFinder(made, made))
    return made


def frames(*shades: int, size: int = 128) -> Frames:
    rng = np.random.default_rng(1)
    image = rng.integers(0, 256, (len(shades), size, size, 3))
    image[:, 0, 0, 0] = shades
    return Frames(torch.from_numpy(image).permute(0, 3, 1, 2) / 127.5 - 1)


def test_landmarks_in_normalised_coordinates(finder):
    metric = catalogue.build_metric("akd[face-alignment]")
    values = metric.values(frames(100, 0, 100), frames(200, 100, 0))
    # one pixel of 128 is two of 256
    assert values.tolist() == pytest.approx([2.0, math.nan, math.nan], nan_ok=True)
    metric.update(values)
    assert metric.compute().item() == pytest.approx(2.0)
    assert metric.note() == "2 of 3 frames have no value: no face is found in the frame or in its reference"


def test_frames_without_any_face_have_no_value(finder):
    metric = catalogue.build_metric("jitter[dlib]")
    metric.update(metric.values(frames(0, 0, 0, 0), frames(0, 0, 0, 0))[2:])
    assert metric.compute().isnan()
    assert metric.note() == "2 of 2 frames have no value: no face is found in the frame or in its reference"


def test_deca(finder, home):
    write_deca(home / "deca" / "deca_model.tar")
    shown = frames(100, 0, 200)
    reading = shown.read(readers.face_reader("deca"))
    assert reading.expression.shape == (3, 50)
    assert reading.expression[1].isnan().all()
    codes = Deca().codes([to_library_images(shown.image)[2]], (POINTS + 2)[None])
    torch.testing.assert_close(reading.expression[2:], codes["expression"], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(reading.angles[2:], codes["global_pose"], atol=1e-5, rtol=1e-5)
    assert torch.allclose(reading.angles[0], DECA_BIAS[200:203], atol=0.3)
    other = frames(200, 200, 0)
    degrees = catalogue.build_metric("apd.rotation[deca].degrees").values(shown, other)
    euler = [axis_angle_to_euler(f.read(readers.face_reader("deca")).angles.double()) for f in (shown, other)]
    wanted = torch.rad2deg((euler[0] - euler[1]).abs().mean(1))
    torch.testing.assert_close(degrees, wanted, atol=1e-3, rtol=0, equal_nan=True)
    catalogue.build_metric("akd[face-alignment]").values(shown, other)
    assert finder.looks == 2 * 3, "each frame is searched once for all networks"


@pytest.mark.slow
def test_emoca(finder, home):
    write_emoca(home / "emoca" / "EMOCA_v2_lr_mse_20.ckpt")
    shown = frames(100, 0)
    emoca = shown.read(readers.face_reader("emoca"))
    assert torch.allclose(emoca.expression[0], torch.tensor(3.0), atol=0.5)
    values = catalogue.build_metric("apd.rotation[emoca].l1").values(shown, shown)
    assert values.tolist() == pytest.approx([0, math.nan], nan_ok=True)


def test_deep3d(finder, home):
    bias = torch.linspace(-1, 1, 257)
    bias[224:227] = torch.tensor([0.1, -0.3, 0.2])
    write_deep3d(home / "deep3d" / "epoch_20.pth", bias)
    reading = frames(100, 0).read(readers.face_reader("deep3d,dlib"))
    assert torch.allclose(reading.expression[0], bias[80:144], atol=0.2)
    assert torch.allclose(reading.angles[0], bias[224:227], atol=0.2)
    assert torch.allclose(reading.translation[0], bias[254:257], atol=0.2)
    assert reading.translation[1].isnan().all()
    # yaw is about y, pitch about x, roll about z
    assert torch.allclose(reading.euler[0], reading.angles[0, [1, 0, 2]], atol=0.08)
    metric = catalogue.build_metric("apd.pose[deep3d,dlib].sum")
    first, second = frames(100), frames(250)
    both = [f.read(readers.face_reader("deep3d,dlib")) for f in (first, second)]
    poses = [torch.cat([r.angles, r.translation], 1) for r in both]
    wanted = (poses[0] - poses[1]).abs().sum().double()
    torch.testing.assert_close(metric.values(first, second)[0], wanted, atol=1e-5, rtol=1e-4)


def test_arcface_aligns_by_the_detectors_own_points(home, monkeypatch):
    pytest.importorskip("insightface")
    from reenact.estimators.insightface import ArcFace, InsightFaceEstimator

    write_pack(home / "insightface" / "buffalo_l")
    image = np.full((2, 256, 256, 3), 20, np.uint8)
    image[0, 64:192, 64:192] = 255
    image[:, ::7, ::5, 1] ^= 1  # so that the embedding is not of a constant
    shown = Frames(torch.from_numpy(image).permute(0, 3, 1, 2) / 127.5 - 1)
    embedding = shown.read(readers.face_reader("arcface-r50")).embedding
    assert embedding.shape == (2, 512)
    assert embedding[1].isnan().all()
    five = InsightFaceEstimator().five_points(image[0])
    wanted = ArcFace().embed_five(image[0], five)
    torch.testing.assert_close(embedding[0], torch.from_numpy(wanted))
    metric = catalogue.build_metric("csim[arcface-r50]")
    metric.update(metric.values(shown, shown))
    assert metric.compute().item() == pytest.approx(1)
    assert metric.counts() == (1, 1)


def test_dlib_embeds_by_its_own_landmarks(finder, monkeypatch):
    pytest.importorskip("dlib")
    shown, other = frames(100, 0, 200), frames(200, 100, 200)
    metric = catalogue.build_metric("csim[dlib]")
    values = metric.values(shown, other)
    network = DlibIdentity()
    first, second = (
        network.embed(to_library_images(f.image)[row], POINTS + np.float32(shade / 100))
        for f, row, shade in ((shown, 0, 100), (other, 0, 200))
    )
    wanted = first @ second / np.linalg.norm(first) / np.linalg.norm(second)
    assert values[0].item() == pytest.approx(float(wanted), abs=1e-5)
    assert values[1].isnan()
    unit = catalogue.build_metric("aed.identity[dlib].l2sq").values(shown, other)
    assert unit[0].item() == pytest.approx(2 - 2 * float(wanted), abs=1e-5)


def test_real_portraits_by_dlib(real):
    pytest.importorskip("dlib")
    from reenact.media.pictures import read_image

    pair = []
    for name in ("portrait_s5.jpg", "portrait_d8.jpg"):
        picture = torch.from_numpy(read_image(real / name)).permute(2, 0, 1)[None].float()
        pair.append(Frames(torch.nn.functional.interpolate(picture, (512, 512), mode="area") / 127.5 - 1))
    values = catalogue.build_metric("csim[dlib]").values(*pair)
    assert 0.7 < values.item() < 0.95  # two people
    assert catalogue.build_metric("csim[dlib]").values(pair[0], pair[0]).item() == pytest.approx(1)
    assert catalogue.build_metric("akd[dlib]").values(*pair).item() > 3
