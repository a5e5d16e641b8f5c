"""The rigid motion of the skull, and cameras and labels relative to the head."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from reenact.faces.bfm import angles_to_matrix, crop_camera
from reenact.faces.camera import mirror_camera, place_camera, project
from reenact.faces.eg3d_label import build_eg3d_label
from reenact.faces.model import FaceModel
from reenact.faces.params import FaceParams
from reenact.faces.rotation import join_rigid, matrix_to_axis_angle
from reenact.faces.skinning import SkinnedFaceModel

MODELS = ("head", "flame", "bfm")


def draw_params(model: FaceModel, count: int = 4) -> FaceParams:
    draw = torch.Generator().manual_seed(3)
    neutral = model.neutral(count)
    return neutral.map(lambda value: value + 0.3 * torch.rand(value.shape, generator=draw))


def straighten(params: FaceParams) -> FaceParams:
    """The same face before it is posed; eyes and jaw stay, which move no vertex of the skull."""
    return replace(params, global_pose=0 * params.global_pose, neck_pose=0 * params.neck_pose)


def skull_vertices(model: FaceModel) -> torch.Tensor:
    """(V,) bool: vertices that hang on the skull alone."""
    if isinstance(model, SkinnedFaceModel):
        return model.skinning_weights[:, 1] == 1
    return torch.ones(len(model.mean_vertices), dtype=torch.bool)


def move(motion: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    return points @ motion[..., :3, :3].mT + motion[..., None, :3, 3]


@pytest.fixture
def model(face_models, name, monkeypatch) -> FaceModel:
    """FLAME without its pose correctives, which bend the skull a little, as no rigid motion does."""
    model = face_models[name]
    if name == "flame":
        monkeypatch.setitem(model._buffers, "pose_basis", model.pose_basis[..., :0])
    return model


@pytest.mark.parametrize("name", MODELS)
def test_vertices_of_the_skull_move_by_it(model):
    params, chosen = draw_params(model), skull_vertices(model)
    assert chosen.sum() > 50
    skull = model.skull(params)
    rest = model.vertices(straighten(params))[:, chosen]
    torch.testing.assert_close(move(skull, rest), model.vertices(params)[:, chosen], atol=1e-6, rtol=0)
    torch.testing.assert_close(skull[:, :3, :3] @ skull[:, :3, :3].mT, torch.eye(3).expand(4, 3, 3), atol=1e-5, rtol=0)
    assert torch.equal(skull[:, 3], torch.tensor([0.0, 0, 0, 1]).expand(4, 4))
    torch.testing.assert_close(model.skull(straighten(params)), torch.eye(4).expand(4, 4, 4), atol=1e-6, rtol=0)
    assert torch.equal(model.skull(params.split(2)).flatten(0, 1), skull)


@pytest.mark.parametrize("name", MODELS)
def test_jaw_eyes_and_expression_leave_the_skull(model):
    """Joints follow the expression, so the centre about which the head turns moves by less than a millimetre."""
    params = draw_params(model)
    closed = replace(params, jaw_pose=0 * params.jaw_pose, eye_pose=0 * params.eye_pose)
    torch.testing.assert_close(model.skull(closed), model.skull(params), atol=1e-4, rtol=0)
    still = replace(closed, expression=0 * params.expression)
    torch.testing.assert_close(model.skull(still)[:, :3, :3], model.skull(params)[:, :3, :3])
    assert (model.skull(still) - model.skull(params)).abs().max() < 1e-3


@pytest.mark.parametrize("name", MODELS)
def test_a_mirrored_head_moves_and_is_seen_as_its_mirror_image(model):
    params = replace(draw_params(model), mirrored=torch.tensor([True, False, True, True]))
    chosen = skull_vertices(model)
    chosen = chosen & chosen[model.flip_permutation]
    rest = model.vertices(straighten(params))
    mirrored = rest[:, model.flip_permutation] * torch.tensor([-1.0, 1, 1])
    rest = torch.where(params.mirrored[:, None, None], mirrored, rest)[:, chosen]
    camera = torch.where(params.mirrored[:, None], mirror_camera(params.camera), params.camera)
    seen = project(move(model.skull(params), rest), camera)
    torch.testing.assert_close(seen, model.posed(params)[:, chosen], atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", MODELS)
def test_a_camera_placed_relative_to_the_head_sees_the_unposed_face(model):
    params, chosen = draw_params(model), skull_vertices(model)
    pose = place_camera(model.skull(params), params.camera)
    rest = model.vertices(straighten(params))[:, chosen]
    in_camera = move(torch.linalg.inv(pose), rest)
    expected = model.posed(params)[:, chosen]
    if params.camera.shape[-1] == 3:
        places = params.camera[:, None, :1] * in_camera[..., :2]
    else:
        places = params.camera[:, None, :2] * in_camera[..., :2] / in_camera[..., 2:] + params.camera[:, None, 2:4]
    torch.testing.assert_close(places, expected[..., :2], atol=1e-4, rtol=1e-4)
    assert (in_camera[..., 2] > 0).all()


def test_labels_are_eg3ds(parity):
    official = load_file(parity / "eg3d_render.safetensors")
    rotation = angles_to_matrix(official["cam.deep3d_angle"])
    skull, camera = join_rigid(rotation, torch.zeros(3, 3)), crop_camera(official["cam.deep3d_trans"])
    for pivot, name in (("origin", "label_orig"), ("head", "label_cor")):
        label = build_eg3d_label(skull, camera, pivot)
        torch.testing.assert_close(label, official[f"cam.{name}"], atol=1e-5, rtol=0)
    signs = torch.tensor([-1.0, 1, 1, 1])
    mirrored = build_eg3d_label(signs[:, None] * skull * signs, mirror_camera(camera))
    torch.testing.assert_close(mirrored, official["cam.label_orig_mirrored"], atol=1e-5, rtol=0)
    assert torch.equal(build_eg3d_label(skull[:, None], camera[:, None]), build_eg3d_label(skull, camera)[:, None])
    with pytest.raises(ValueError, match="perspective cameras of 7 entries, not 3"):
        build_eg3d_label(skull, camera[:, :3])


def test_the_skull_of_the_basel_face_model_is_its_rotation(face_models):
    model = face_models["bfm"]
    rotation = angles_to_matrix(torch.tensor([[0.1, 0.5, -0.2]]))
    params = replace(model.neutral(), global_pose=matrix_to_axis_angle(rotation))
    torch.testing.assert_close(model.skull(params), join_rigid(rotation, torch.zeros(1, 3)))
