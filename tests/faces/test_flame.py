from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from faces.made_flame import made_arrays, made_embedding, write_pickle
from reenact import assets
from reenact.errors import ReenactError
from reenact.faces.flame import Flame
from reenact.faces.params import FaceParams
from reenact.faces.registry import load_face_model


@pytest.fixture(scope="module")
def arrays():
    return made_arrays()


@pytest.fixture(scope="module")
def flame(arrays):
    return Flame(arrays, {key: np.asarray(value) for key, value in made_embedding().items()}).double()


@pytest.fixture(scope="module")
def official(arrays, tmp_path_factory):
    """A folder with the made file in the official form."""
    folder = tmp_path_factory.mktemp("FLAME2020")
    write_pickle(folder / "generic_model.pkl", arrays)
    np.save(folder / "landmark_embedding.npy", made_embedding(), allow_pickle=True)
    return folder


def random_params(model, batch=3, seed=0):
    generator = torch.Generator().manual_seed(seed)

    def normal(size, scale=1.0):
        return scale * torch.randn(batch, size, generator=generator, dtype=torch.float64)

    pose = {"global_pose": normal(3, 0.5), "neck_pose": normal(3, 0.3), "jaw_pose": normal(3, 0.2)}
    return FaceParams(
        shape=normal(model.num_shape),
        expression=normal(model.num_expression),
        eye_pose=normal(6, 0.2),
        camera=model.default_camera().expand(batch, -1).clone(),
        **pose,
    )


def literal_flame(arrays, params, row):
    """FLAME as its paper and DECA write it, one sample, loops and float64: an independent transcription."""
    betas = np.zeros(400)
    betas[:100], betas[300:350] = params.shape[row], params.expression[row]
    pose = np.concatenate([getattr(params, f"{part}_pose")[row] for part in ("global", "neck", "jaw", "eye")])
    shaped = arrays["v_template"] + arrays["shapedirs"] @ betas
    joints = arrays["J_regressor"] @ shaped
    rotations = []
    for joint in range(5):
        vector = pose[3 * joint : 3 * joint + 3]
        angle = np.linalg.norm(vector + 1e-8)
        x, y, z = vector / angle
        cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
        rotations.append(np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross)
    feature = np.concatenate([(rotation - np.eye(3)).ravel() for rotation in rotations[1:]])
    posed = shaped + arrays["posedirs"] @ feature
    transforms = []
    for joint, parent in enumerate((-1, 0, 1, 1, 1)):
        local = np.eye(4)
        local[:3, :3] = rotations[joint]
        local[:3, 3] = joints[joint] - (joints[parent] if joint else 0)
        transforms.append(transforms[parent] @ local if joint else local)
    for joint in range(5):
        transforms[joint] = transforms[joint] @ np.block([[np.eye(3), -joints[joint][:, None]], [np.zeros(3), 1]])
    blended = np.einsum("vj,jkl->vkl", arrays["weights"], np.array(transforms))
    return np.einsum("vkl,vl->vk", blended, np.concatenate([posed, np.ones((len(posed), 1))], 1))[:, :3]


def test_official_formulas(arrays, flame):
    exact = {key: value.astype(np.float32).astype(np.float64) for key, value in arrays.items()}
    params = random_params(flame)
    vertices = flame.vertices(params)
    for row in range(3):
        expected = literal_flame(exact, params, row)
        np.testing.assert_allclose(vertices[row], expected, rtol=0, atol=2e-8)


def test_subset_is_a_part_of_the_whole(flame):
    subset = torch.tensor([5, 17, 4000])
    params = random_params(flame)
    torch.testing.assert_close(flame.vertices(params, subset), flame.vertices(params)[:, subset])


def test_gradients(flame):
    params, subset = random_params(flame, 1), torch.arange(0, 5023, 1700)
    names = ("shape", "expression", "global_pose", "neck_pose", "jaw_pose", "eye_pose", "camera")
    values = [getattr(params, name).requires_grad_() for name in names]

    def projected(*inputs):
        given = FaceParams(**dict(zip(names, inputs, strict=True)))
        return flame.project(flame.vertices(given, subset), given.camera)

    assert torch.autograd.gradcheck(projected, values)


def test_fixed_landmarks_are_the_full_embedding(arrays, flame):
    vertices = flame.vertices(random_params(flame))
    embedding = made_embedding()
    corners = vertices[:, arrays["f"].astype(int)[embedding["full_lmk_faces_idx"][0]]]
    expected = (corners * torch.from_numpy(embedding["full_lmk_bary_coords"][0])[..., None]).sum(2)
    torch.testing.assert_close(flame.landmarks68(vertices), expected, atol=1e-7, rtol=0)


@pytest.mark.parametrize(
    ("degrees", "row"), [(0, 0), (12.4, 12), (38.9, 39), (60, 39), (-1, 40), (-20.3, 59), (-39, 78), (-70, 78)]
)
def test_jaw_line_slides_with_yaw(arrays, flame, degrees, row):
    """DECA's table has rows 0 to 39 for positive yaw, 40 to 78 for -1 to -39."""
    params = flame.neutral()
    params.global_pose = torch.deg2rad(torch.tensor([[0.0, degrees, 0.0]], dtype=torch.float64))
    vertices = flame.vertices(params)
    embedding = made_embedding()
    corners = vertices[:, arrays["f"].astype(int)[embedding["dynamic_lmk_faces_idx"][row]]]
    jaw = (corners * embedding["dynamic_lmk_bary_coords"][row].double()[..., None]).sum(2)
    landmarks = flame.landmarks2d(vertices, params)
    torch.testing.assert_close(landmarks[:, :17], jaw, atol=1e-7, rtol=0)
    torch.testing.assert_close(landmarks[:, 17:], flame.landmarks68(vertices)[:, 17:])


def test_flip_permutation_mirrors(flame):
    mirrored = flame.mean_vertices[flame.flip_permutation] * torch.tensor([-1.0, 1, 1])
    torch.testing.assert_close(mirrored, flame.mean_vertices)
    assert (flame.flip_permutation.sort().values == torch.arange(5023)).all()


def test_flip_permutation_of_a_skewed_template_is_still_one(arrays):
    points = arrays["v_template"] + np.random.default_rng(0).normal(size=(5023, 3)) * 3e-4
    flip = Flame({**arrays, "v_template": points}).flip_permutation
    assert (flip.sort().values == torch.arange(5023)).all()


def test_regions_hold_every_vertex_once(flame):
    masks = torch.stack([flame.region(name) for name in ("face", "neck", "eyes", "scalp")])
    assert (masks.sum(0) == 1).all()
    assert (masks.sum(1) > 0).all()
    assert (flame.region("face") | ~flame.region("jaw")).all()
    with pytest.raises(ReenactError, match="choose one of face"):
        flame.region("nose")


def test_default_camera_frames_the_face(flame):
    landmarks = flame.landmarks68(flame.posed(flame.neutral()))[0, :, :2]
    box = landmarks.amax(0) - landmarks.amin(0)
    assert 1.0 < box.mean() < 1.6, "the landmarks' box is about 1 / 1.5 of the image"
    assert landmarks.abs().max() < 1


def test_state_dict_holds_no_licensed_data(flame):
    assert not flame.state_dict()


def test_files(official, arrays, tmp_path):
    model = Flame.from_file(official / "generic_model.pkl")
    assert model.name.startswith("flame2020-")
    np.savez(tmp_path / "model.npz", **{key: arrays[key] for key in arrays if key != "J"})
    other = Flame.from_file(tmp_path / "model.npz", official / "landmark_embedding.npy")
    assert other.name.split("-")[1] == model.name.split("-")[1], "the fingerprint is of the arrays, not of the file"
    torch.testing.assert_close(model.basis, other.basis)
    torch.testing.assert_close(model.landmark_weights, other.landmark_weights)


def test_landmarks_without_the_embedding(arrays, monkeypatch, tmp_path):
    monkeypatch.setenv("REENACT_HOME", str(tmp_path))
    write_pickle(tmp_path / "generic_model.pkl", arrays)
    model = Flame.from_file(tmp_path / "generic_model.pkl")
    for ask in (model.landmarks68, lambda vertices: model.landmarks2d(vertices, model.neutral())):
        with pytest.raises(ReenactError, match=r"landmark_embedding.npy: put it"):
            ask(model.mean_vertices[None])


NOT_FLAME = {
    "SMPL": {"v_template": np.zeros((6890, 3))},
    "other faces": {"f": np.zeros((13776, 3), np.uint32)},
    "other joints": {"kintree_table": np.array([[-1, 0, 0, 1, 1], range(5)])},
    "flat basis": {"shapedirs": np.zeros((5023, 3))},
    "words": {"weights": np.zeros((5023, 5), "S1")},
    "wild index": {"f": np.full((9976, 3), 5023)},
    "NaN": {"weights": np.full((5023, 5), np.nan)},
    "number": {"v_template": 3},
}


@pytest.mark.parametrize("name", NOT_FLAME)
def test_other_files_are_refused(arrays, tmp_path, name):
    path = tmp_path / "model.npz"
    np.savez(path, **{**arrays, **NOT_FLAME[name]})
    with pytest.raises(ReenactError, match=r"is not a FLAME model|impossible numbers|it lacks") as caught:
        Flame.from_file(path)
    assert str(path) in str(caught.value)


def test_missing_entries_are_named(arrays, tmp_path):
    path = tmp_path / "model.npz"
    np.savez(path, v_template=arrays["v_template"], f=arrays["f"])
    with pytest.raises(ReenactError, match="lacks shapedirs, posedirs, J_regressor"):
        Flame.from_file(path)


def test_too_few_components(arrays):
    few = {**arrays, "shapedirs": arrays["shapedirs"][..., :320]}
    assert Flame(few, num_expression=20).num_expression == 20
    with pytest.raises(ReenactError, match="20 expression components, not 100 and 50"):
        Flame(few)


@pytest.mark.parametrize("change", [{"full_lmk_faces_idx": np.full(68, 9976)}, {"dynamic_lmk_bary_coords": np.ones(3)}])
def test_other_embeddings_are_refused(official, tmp_path, change):
    np.save(tmp_path / "e.npy", {**made_embedding(), **change}, allow_pickle=True)
    with pytest.raises(ReenactError, match=f"landmark embedding .see {next(iter(change))}"):
        Flame.from_file(official / "generic_model.pkl", tmp_path / "e.npy")


def test_registry(official, monkeypatch, tmp_path):
    path = official / "generic_model.pkl"
    by_path = load_face_model(str(path))
    monkeypatch.setenv("REENACT_HOME", str(tmp_path))
    with pytest.raises(ReenactError, match=r"is missing: put flame/generic_model.pkl"):
        load_face_model("flame")
    folder = assets.cache_dir() / "flame"
    folder.mkdir()
    (folder / "generic_model.pkl").symlink_to(path)
    found = load_face_model("flame")
    fingerprint = by_path.name.split("-")[1]
    assert found.name == f"flame-{fingerprint}"
    assert load_face_model(by_path.name).name == found.name, "the year of a folder's name is not the model"
    with pytest.raises(ReenactError, match="but flame2020-00000000 is asked for"):
        load_face_model("flame2020-00000000")
    with pytest.raises(ReenactError, match="but flame2017 is asked for"):
        load_face_model("flame2017")
    with pytest.raises(ReenactError, match="did you mean flame"):
        load_face_model("flam")
    with pytest.raises(ReenactError, match="does not exist"):
        load_face_model(str(tmp_path / "nothing.pkl"))


def test_registry_head():
    assert load_face_model("head").name == "head"


def test_more_and_fewer_coefficients_than_fitting_uses(arrays, flame):
    """SMIRK gives 300 shape coefficients, the fit 100; what is left out is zero."""
    params = random_params(flame)
    wide = flame.vertices(
        replace(params, shape=F.pad(params.shape, (0, 200)), expression=F.pad(params.expression, (0, 9)))
    )
    torch.testing.assert_close(wide, flame.vertices(params))
    narrow = replace(params, shape=params.shape[:, :10], expression=params.expression[:, :5])
    torch.testing.assert_close(
        flame.vertices(narrow), flame.vertices(replace(narrow, shape=F.pad(narrow.shape, (0, 90))))
    )
    directions = arrays["shapedirs"].copy()
    directions[..., 150], directions[..., 380] = directions[..., 3], directions[..., 303]
    model = Flame({**arrays, "shapedirs": directions})
    beyond = replace(model.neutral(), shape=torch.zeros(1, 300), expression=torch.zeros(1, 100))
    beyond.shape[0, 150], beyond.expression[0, 80] = 2.0, -1.0
    moved = torch.from_numpy(2 * directions[..., 3] - directions[..., 303]).float()
    torch.testing.assert_close(model.vertices(beyond)[0], model.mean_vertices + moved)
