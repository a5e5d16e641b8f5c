from __future__ import annotations

import sys

import numpy as np
import pytest

from estimators.made_insightface import SHAPE_3D, SHAPE_106, write_pack, write_points
from reenact.errors import ReenactError
from reenact.estimators.base import FaceBox
from reenact.estimators.registry import load_face_finder, load_identity

pytest.importorskip("insightface")
from reenact.estimators.insightface import ArcFace, InsightFaceEstimator, five_points, identity_transform


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("REENACT_HOME", str(tmp_path / "reenact"))
    monkeypatch.setenv("HOME", str(tmp_path))

    def refuse(*_, **__):
        raise AssertionError("something was about to be downloaded")

    monkeypatch.setattr("socket.socket.connect", refuse)
    return tmp_path / "reenact" / "insightface"


def squares(height, width, *places):
    """A dark picture with white squares, given as left, top and side."""
    image = np.full((height, width, 3), 20, np.uint8)
    for left, top, side in places:
        image[top : top + side, left : left + side] = 255
    return image


def test_faces_are_found_where_they_are(home):
    write_pack(home / "buffalo_l")
    finder = load_face_finder("insightface")
    assert finder.name == "insightface"
    # 1280 wide, so that the library halves it: cells of 16, 32 and 64 pixels
    image = squares(960, 1280, (128, 192, 128), (832, 448, 64))
    boxes = finder.detector.detect(image)
    assert len(boxes) >= 2
    assert [box.area for box in boxes] == sorted((box.area for box in boxes), reverse=True)
    assert max(box.overlap(FaceBox(left=64, top=128, right=320, bottom=384)) for box in boxes) > 0.3
    assert max(box.overlap(FaceBox(left=768, top=384, right=896, bottom=512)) for box in boxes) > 0.3
    assert finder.detector.detect(squares(200, 300)) == []


def test_a_known_face_is_looked_for_in_its_surroundings_alone(home):
    write_pack(home / "buffalo_l")
    estimator = InsightFaceEstimator()
    image = squares(960, 1280, (600, 400, 100), (100, 100, 100))
    known = FaceBox(left=600, top=400, right=700, bottom=500)
    near = estimator.detect_near(image, known)
    assert near is not None
    assert near.overlap(known) > 0.3
    assert estimator.detect_near(image, FaceBox(left=900, top=700, right=1000, bottom=800)) is None


def test_landmarks_in_continuous_pixels_of_the_picture(home):
    write_pack(home / "buffalo_l")
    estimator = InsightFaceEstimator()
    box = FaceBox(left=100, top=50, right=180, bottom=130)
    image = squares(240, 320)
    # the crop is 1.5 boxes wide and its middle is the box's
    expected = SHAPE_3D * 60 + [140, 90, 0]
    points = estimator.landmarks_3d(image, box)
    np.testing.assert_allclose(points, expected, atol=1e-3)
    np.testing.assert_array_equal(estimator.landmarks(image, box), points[:, :2])
    np.testing.assert_allclose(estimator.landmarks_106(image, box), SHAPE_106 * 60 + [140, 90], atol=1e-3)


def face(scale, angle, shift):
    """A picture of coloured blobs, and its landmarks, turned about the middle."""
    rng = np.random.default_rng(3)
    points = rng.uniform(-40, 40, (68, 2))
    points[36:42] = rng.normal((-20, -20), size=(6, 2))
    points[42:48] = rng.normal((20, -20), size=(6, 2))
    points[[30, 48, 54]] = [0, 5], [-16, 25], [16, 25]
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    inverse = np.linalg.inv(turn)
    y, x = np.mgrid[:400, :400] + 0.5
    u, v = np.einsum("ij,jhw->ihw", inverse, np.stack([x - 200 - shift[0], y - 200 - shift[1]]))
    image = np.stack([128 + 100 * np.sin(u / 9), 128 + 100 * np.cos(v / 11), 128 + 100 * np.sin((u + v) / 13)], -1)
    return image.round().astype(np.uint8), (points @ turn.T + [200, 200] + shift).astype(np.float32)


@pytest.mark.parametrize(("network", "pack", "files"), [
    ("arcface-r50", "buffalo_l", ()),
    ("arcface-r100", "antelopev2", ("scrfd_10g_bnkps.onnx", "glintr100.onnx")),
])  # fmt: skip
def test_an_embedding_follows_the_face(home, network, pack, files):
    write_pack(home / pack, *files)
    embedder = load_identity(network)
    assert embedder.name == network
    first = embedder.embed(*face(1.0, 0.0, [0, 0]))
    moved = embedder.embed(*face(1.6, 0.5, [30, -20]))
    image, landmarks = face(1.0, 0.0, [0, 0])
    other = embedder.embed(image, landmarks + np.float32([15, 0]))
    assert first.shape == (512,)

    def cosine(a, b):
        return a @ b / np.linalg.norm(a) / np.linalg.norm(b)

    assert cosine(first, moved) > 0.995
    assert cosine(first, other) < 0.9
    # red and blue are not mixed up
    assert cosine(first, embedder.embed(np.ascontiguousarray(image[..., ::-1]), landmarks)) < 0.9


def test_the_five_points_and_the_library_template():
    landmarks = np.zeros((68, 2), np.float32)
    landmarks[36:42], landmarks[42:48] = [30, 40], [70, 42]
    landmarks[[30, 48, 54]] = [50, 60], [35, 80], [66, 81]
    five = five_points(landmarks)
    np.testing.assert_array_equal(five, [[30, 40], [70, 42], [50, 60], [35, 80], [66, 81]])
    expected = [[0.97190552, 0.01574778, 6.28218712], [-0.01574778, 0.97190552, 13.79384426]]
    np.testing.assert_allclose(identity_transform(five + 0.5), expected, atol=1e-5)


def test_the_pack_of_the_library_itself_is_used_where_it_lies(home, tmp_path):
    write_pack(tmp_path / ".insightface" / "models" / "buffalo_l")
    assert load_identity("auto").name == "arcface-r50"


def test_bad_packs(home, monkeypatch):
    with pytest.raises(ReenactError, match=r"buffalo_l.*is missing: put det_10g\.onnx, w600k_r50\.onnx"):
        InsightFaceEstimator()
    folder = write_pack(home / "buffalo_l")
    (folder / "det_10g.onnx").write_bytes((folder / "det_10g.onnx").read_bytes()[:300])
    with pytest.raises(ReenactError, match=r"det_10g\.onnx is damaged"):
        InsightFaceEstimator()
    write_points(folder / "det_10g.onnx", SHAPE_106)
    with pytest.raises(ReenactError, match="is a network for landmark_2d_106, not detection"):
        InsightFaceEstimator()
    (folder / "w600k_r50.onnx").unlink()
    with pytest.raises(ReenactError, match=r"buffalo_l is incomplete, it lacks w600k_r50\.onnx"):
        ArcFace()
    write_pack(home / "antelopev2", "scrfd_10g_bnkps.onnx", "glintr100.onnx")
    assert InsightFaceEstimator().name == "insightface"
    with pytest.raises(ReenactError, match="cannot run on cuda:0: pip install onnxruntime-gpu"):
        ArcFace("arcface-r100", "cuda:0")
    monkeypatch.setitem(sys.modules, "insightface.model_zoo", None)
    with pytest.raises(ReenactError, match="pip install 'reenact-zoo\\[insightface\\]'"):
        ArcFace("arcface-r100")
