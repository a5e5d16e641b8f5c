"""The Basel Face Model: the official code's numbers, the official files, bad files."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.io
import torch
from safetensors.numpy import load_file

from reenact.assets import ASSETS
from reenact.cli.weight_files import verify_file
from reenact.errors import ReenactError
from reenact.faces.bfm import (
    Bfm,
    angles_to_matrix,
    crop_camera,
    join_coefficients,
    matrix_to_angles,
    split_coefficients,
)
from reenact.faces.bfm_file import ALL_VERTICES, EXPRESSION_VERTICES, read_bfm
from reenact.faces.params import FaceParams
from reenact.faces.registry import load_face_model
from reenact.faces.rotation import matrix_to_axis_angle
from reenact.faces.shading import DEEP3D, vertex_normals


@pytest.fixture(scope="module")
def official(parity):
    return {name: torch.from_numpy(value) for name, value in load_file(parity / "bfm_geometry.safetensors").items()}


@pytest.fixture(scope="module")
def tensors(parity):
    return load_file(parity / "bfm_geometry.safetensors")


@pytest.fixture
def front(tmp_path, tensors):
    path = tmp_path / "BFM_model_front.mat"
    scipy.io.savemat(
        path, {key.removeprefix("bfm."): value for key, value in tensors.items() if key.startswith("bfm.")}
    )
    return path


@pytest.fixture
def model(front):
    return load_face_model(str(front))


def params_of(vector: torch.Tensor) -> FaceParams:
    parts = split_coefficients(vector)
    zeros = vector.new_zeros
    return FaceParams(
        shape=parts["shape"],
        expression=parts["expression"],
        global_pose=matrix_to_axis_angle(angles_to_matrix(parts["angles"].double())).float(),
        neck_pose=zeros(len(vector), 3),
        jaw_pose=zeros(len(vector), 3),
        eye_pose=zeros(len(vector), 6),
        camera=crop_camera(parts["translation"]),
        texture=parts["texture"],
        light=parts["light"],
    )


def close(found, wanted, tolerance=1e-5):
    torch.testing.assert_close(found, wanted, atol=tolerance, rtol=tolerance)


def test_geometry_is_the_official_codes(model, official):
    params = params_of(official["coeffs"])
    close(model.mean_vertices.reshape(-1, 1) * 10, official["mean_shape_recentered"])
    close(model.unposed(params) * 10, official["shape"])
    close(angles_to_matrix(split_coefficients(official["coeffs"])["angles"]).mT, official["rotation"])
    translation = split_coefficients(official["coeffs"])["translation"][:, None]
    close(model.vertices(params) * 10 + translation, official["verts_transformed"])


def test_projection_is_the_official_codes(model, official):
    params = params_of(official["coeffs"])
    projected = model.posed(params)
    pixels = (projected[..., :2] + 1) * 112
    upwards = torch.stack([pixels[..., 0], 224 - pixels[..., 1]], -1)
    close(upwards, official["proj_2d"], 1e-3)
    marks = (model.landmarks68(projected)[..., :2] + 1) * 112
    close(torch.stack([marks[..., 0], 224 - marks[..., 1]], -1), official["landmarks_68"], 1e-3)
    distance = official["verts_camera"][..., 2]
    order = projected[0, :, 2].argsort()
    assert (distance[0][order].diff() >= -1e-5).all()


def test_colours_are_the_official_codes(model, official):
    params = params_of(official["coeffs"])
    close(model.albedo(params.texture), official["texture"])
    close(vertex_normals(model.unposed(params), model.faces, model.rings), official["normals"], 1e-4)
    close(model.normals(params), official["normals_rotated"], 1e-4)
    close(DEEP3D.shade_albedo(official["texture"], official["normals_rotated"], params.light), official["color"])
    close(model.colours(params), official["color"], 1e-4)
    close(DEEP3D.evaluate_bands(official["sh_normals"]), official["sh_basis"])


def test_normals_without_gradients_are_those_with_them(model, official):
    unposed = torch.cat([model.unposed(params_of(official["coeffs"])), torch.zeros(1, 99, 3)])
    learning = vertex_normals(unposed.clone().requires_grad_(), model.faces, model.rings)
    assert learning.requires_grad
    close(vertex_normals(unposed, model.faces, model.rings), learning.detach(), 1e-6)
    halves = torch.linspace(-1, 1, 8).view(1, 8, 1) * torch.ones(1, 8, 3)
    assert vertex_normals(halves.bfloat16(), model.faces[:0], model.rings[:8] * 0).dtype == torch.bfloat16


def test_coefficients_there_and_back(official):
    vector = official["coeffs"]
    torch.testing.assert_close(join_coefficients(split_coefficients(vector)), vector, atol=0, rtol=0)
    with pytest.raises(ValueError, match="257 coefficients, not 260"):
        split_coefficients(torch.zeros(1, 260))


def test_angles_there_and_back():
    angles = torch.rand(50, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 2.8 - 1.4
    torch.testing.assert_close(matrix_to_angles(angles_to_matrix(angles)), angles)


def test_the_mean_face_fills_the_image_as_a_portrait(model):
    neutral = model.neutral(2)
    points = model.landmarks68(model.posed(neutral))[0, :, :2]
    side = (points.amax(0) - points.amin(0)).mean()
    assert side.item() == pytest.approx(2 / 1.485, rel=0.1)
    torch.testing.assert_close(model.vertices(neutral, torch.tensor([3, 7])), model.vertices(neutral)[:, [3, 7]])


def test_names_tell_files_apart(model, front, monkeypatch):
    assert model.name.startswith("bfm-")
    monkeypatch.setenv("REENACT_HOME", str(front.parent))
    (front.parent / "bfm").mkdir()
    front.rename(front.parent / "bfm" / front.name)
    assert load_face_model("bfm").name == model.name == load_face_model(model.name).name
    with pytest.raises(ReenactError, match="is asked for"):
        load_face_model("bfm-00000000")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda m: m.pop("exBase"), "lacks exBase"),
        (lambda m: m.update(idBase=m["idBase"][:, :50]), "idBase has shape"),
        (lambda m: m.update(keypoints=m["keypoints"][:, :5]), "keypoints has 5 entries, not 68"),
        (lambda m: m.update(tri=m["tri"] + 500), "tri points outside of the mesh"),
        (lambda m: m.update(meanshape=m["meanshape"][:, :-3]), r"idBase has shape \(297, 80\), not \(294, 80\)"),
        (lambda m: m.update(exBase=m["exBase"][:-3]), r"exBase has shape \(294, 64\), not \(297, 64\)"),
        (lambda m: m.update(meantex=m["meantex"][:, 3:]), "meantex has 294 entries, not 297"),
        (lambda m: m.update(point_buf=m["point_buf"][1:]), r"point_buf has shape \(98, 8\), not \(99, 8\)"),
        (lambda m: [m.pop(key) for key in ("tri", "skinmask")], "lacks tri, skinmask"),
    ],
)
def test_other_files_are_refused_with_file_and_key(front, change, sentence):
    content = {key: value for key, value in scipy.io.loadmat(front).items() if not key.startswith("__")}
    change(content)
    scipy.io.savemat(front, content)
    with pytest.raises(ReenactError, match=sentence):
        read_bfm(front)


def test_parameters_of_another_model_are_refused(model):
    neutral, head = model.neutral(), load_face_model("head")
    with pytest.raises(ReenactError, match=r"head has orthographic cameras of 3 entries, not 7: .*another face model"):
        head.posed(replace(head.neutral(), camera=neutral.camera))
    with pytest.raises(ReenactError, match=r"has perspective cameras of 7 entries, not 3: .*another face model"):
        model.posed(replace(neutral, camera=head.neutral().camera))
    for name in ("shape", "expression"):
        with pytest.raises(ReenactError, match=rf"{name} coefficients, not 9: .*another face model"):
            model.posed(replace(neutral, **{name: torch.zeros(1, 9)}))


def test_damaged_files(front, tmp_path):
    front.write_bytes(front.read_bytes()[:500])
    for path in (front, tmp_path / "absent.mat"):
        with pytest.raises(ReenactError, match=str(path)):
            read_bfm(path)


def test_the_route_of_2009(tmp_path, tensors, monkeypatch):
    """The files of the official set, of their true sizes, hold a model that is known, to the bit."""
    monkeypatch.setenv("REENACT_HOME", str(tmp_path))
    folder = tmp_path / "bfm_2009"
    folder.mkdir()
    draw = np.random.default_rng(0)
    count, size = 99, 3 * ALL_VERTICES
    trimmed = np.sort(draw.choice(ALL_VERTICES, EXPRESSION_VERTICES, replace=False))
    front = np.sort(draw.choice(EXPRESSION_VERTICES, count, replace=False))
    basis = draw.normal(size=(size, 80)).astype(np.float32)
    model = {
        "shapeMU": draw.normal(size=(size, 1)).astype(np.float32),
        "texMU": draw.uniform(0, 255, (size, 1)).astype(np.float32),
        "shapePC": basis,
        "texPC": basis[::-1],
        "shapeEV": draw.uniform(1, 2, (80, 1)),
        "texEV": draw.uniform(1, 2, (80, 1)),
    }
    scipy.io.savemat(folder / "01_MorphableModel.mat", model)
    scipy.io.savemat(folder / "BFM_front_idx.mat", {"idx": front[:, None] + 1})
    scipy.io.savemat(folder / "BFM_exp_idx.mat", {"trimIndex": trimmed[:, None] + 1})
    info = {key: tensors[f"bfm.{key}"] for key in ("tri", "point_buf", "keypoints", "skinmask")}
    scipy.io.savemat(folder / "facemodel_info.mat", info)
    expression = draw.normal(size=(79, 3 * EXPRESSION_VERTICES)).astype("<f4")
    mean = np.zeros(3 * EXPRESSION_VERTICES, "<f4")
    (folder / "Exp_Pca.bin").write_bytes(np.int32(79).tobytes() + mean.tobytes() + expression.tobytes())
    deviation = draw.uniform(1e5, 2e5, 79)
    (folder / "std_exp.txt").write_text(" ".join(map(str, deviation)))
    arrays = read_bfm(folder / "01_MorphableModel.mat")
    vertex, part = 40, 2
    row = 3 * trimmed[front[vertex]] + part
    assert arrays.mean_shape[3 * vertex + part] == model["shapeMU"][row, 0] / np.float32(1e5)
    assert arrays.shape_basis[3 * vertex + part, 7] == np.float32(basis[row, 7] * model["shapeEV"][7, 0] / 1e5)
    assert arrays.texture_basis[3 * vertex + part, 9] == pytest.approx(model["texPC"][row, 9] * model["texEV"][9, 0])
    wanted = expression[5, 3 * front[vertex] + part] * deviation[5] / 1e5
    assert arrays.expression_basis[3 * vertex + part, 5] == np.float32(wanted)
    for file in ASSETS["bfm_2009"].files:
        verify_file(file, tmp_path / file.path)
    assert load_face_model("bfm").name == Bfm.from_file(folder / "01_MorphableModel.mat").name
    (folder / "std_exp.txt").write_text("1 2 3")
    with pytest.raises(ReenactError, match=r"std_exp\.txt is damaged"):
        read_bfm(folder / "01_MorphableModel.mat")


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.update(tri=m["tri"][:0]),
        lambda m: m.update(tri=m["tri"].reshape(1, -1)),
        lambda m: m.update(tri=m["tri"] + np.float32(0.5)),
        lambda m: m.update(point_buf=m["point_buf"] * np.float32(np.nan)),
        lambda m: m.update(keypoints=m["keypoints"] * 0),
        lambda m: m.update(meanshape=np.zeros((1, 0))),
        lambda m: m.update(texBase=m["texBase"] * np.float32(np.inf)),
        lambda m: m.update(shapePC=np.ones((3, 3))),
    ],
)
def test_arrays_that_are_no_mesh_are_refused(change, tmp_path):
    ones = np.ones((18, 80), np.float32)
    content = {
        "meanshape": ones[:, :1].T, "meantex": ones[:, :1].T, "idBase": ones, "exBase": ones[:, :64], "texBase": ones,
        "tri": ones[:5, :3], "point_buf": ones[:6, :8], "keypoints": ones[:1, :68], "skinmask": ones[:1, :6],
    }  # fmt: skip
    path = tmp_path / "BFM_model_front.mat"
    scipy.io.savemat(path, content)
    assert read_bfm(path).triangles.shape == (5, 3)
    change(content)
    scipy.io.savemat(path, content)
    with pytest.raises(ReenactError, match=r"\.mat"):
        read_bfm(path)
