"""Guidance maps."""

from __future__ import annotations

import pytest
import scipy.io
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from reenact.faces.bfm import Bfm, angles_to_matrix, crop_camera, split_coefficients
from reenact.faces.bfm_file import read_bfm
from reenact.faces.camera import project
from reenact.faces.guidance import (
    build_source_geometry,
    code_map,
    depth_map,
    displacement_map,
    face_mask,
    flow_map,
    landmark_map,
    nmfc_map,
    normal_map,
    rasterize_face,
    shaded_map,
    visibility_map,
)
from reenact.faces.params import FaceParams
from reenact.faces.raster import render_attributes
from reenact.faces.rotation import matrix_to_axis_angle
from reenact.faces.shading import DEEP3D

from .raster.meshes import grid, sphere


def test_displacement_samples_the_source_where_the_driving_face_is():
    driving, faces = sphere()
    driving = driving[None] * 0.6
    source = driving + torch.tensor([0.25, -0.125, 0.0])
    size = 64
    face = rasterize_face(driving, faces, size)
    displacement, mask = displacement_map(face, source, antialias=False), face_mask(face)
    centres = (2 * torch.arange(size) + 1) / size - 1
    picture = torch.stack(torch.meshgrid(centres, centres, indexing="xy"))[None]
    grid_points = (picture + displacement).permute(0, 2, 3, 1)
    sampled = F.grid_sample(picture, grid_points, mode="bilinear", padding_mode="zeros", align_corners=False)
    expected = picture + torch.tensor([0.25, -0.125]).view(1, 2, 1, 1)
    torch.testing.assert_close(sampled * mask, expected * mask, atol=1e-5, rtol=0)
    assert (displacement[(mask == 0).expand_as(displacement)] == 0).all()


def test_displacement_and_codes_match_the_parity_fixture(parity):
    tensors = load_file(parity / "pwm.safetensors")
    source, driving = tensors["raster/input/verts_s"][None], tensors["raster/input/verts_d"][None]
    faces, codes = tensors["raster/input/tri"].long(), tensors["raster/input/codes"]
    expected = tensors["raster/output/attr_d_aa"].permute(2, 0, 1)
    face = rasterize_face(driving, faces, 48)
    displacement = displacement_map(face, source)
    torch.testing.assert_close(displacement[0], expected[:2], atol=1e-6, rtol=0)
    torch.testing.assert_close(code_map(face, codes)[0], expected[2:], atol=1e-6, rtol=0)
    expected = tensors["raster/output/attr_s_noaa"].permute(2, 0, 1)
    sharp = code_map(rasterize_face(source, faces, 48), codes, antialias=False)
    torch.testing.assert_close(sharp[0], expected, atol=1e-6, rtol=0)


def test_codes_learn():
    vertices, faces = sphere()
    codes = torch.zeros(len(vertices), 16, requires_grad=True)
    optimiser = torch.optim.SGD([codes], lr=2.0)
    face = rasterize_face(vertices[None], faces, 32)
    target = code_map(face, torch.rand(len(vertices), 16))
    losses = []
    for _ in range(20):
        loss = F.mse_loss(code_map(face, codes), target, reduction="sum") / 32
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]


def test_nmfc_wears_the_mean_face():
    vertices, faces = sphere()
    mean = vertices * torch.tensor([0.1, 0.2, 0.3]) + 5
    face = rasterize_face(vertices[None], faces, 65)
    image, mask = nmfc_map(face, mean, antialias=False), face_mask(face)[0, 0].bool()
    assert image.shape == (1, 3, 65, 65)
    assert image.min() >= 0
    assert image.max() <= 1
    x = (2 * torch.arange(65) + 1) / 65 - 1
    widest = vertices[:, 0].max()
    expected = (x + widest) / (2 * widest)
    torch.testing.assert_close(image[0, 0][mask], expected.expand(65, 65)[mask], atol=1e-5, rtol=0)
    assert image[0, 2, 32, 32] < 0.1  # the nearest point of the head


def test_masks():
    vertices, faces = sphere()
    face = rasterize_face(vertices[None], faces, 64)
    whole = face_mask(face)
    assert set(whole.unique().tolist()) == {0.0, 1.0}
    right = face_mask(face, region=vertices[:, 0] > 0)
    assert right[..., 40:].sum() == whole[..., 40:].sum()
    assert right[..., :24].sum() == 0
    soft = face_mask(face, antialias=True)
    assert ((soft > 0) & (soft < 1)).any()
    area = torch.pi * 0.65 * 0.8 / 4 * 64**2
    assert soft.sum().item() == pytest.approx(area, rel=0.05)


def test_a_sheet_seen_from_behind_is_background():
    vertices, faces = grid(2)
    assert face_mask(rasterize_face(vertices[None], faces, 16)).any()
    assert not face_mask(rasterize_face(vertices[None], faces.flip(1), 16)).any()
    assert face_mask(rasterize_face(vertices[None], faces.flip(1), 16, cull_backfaces=False)).any()


def test_sizes_are_height_then_width():
    vertices, faces = sphere()
    assert code_map(rasterize_face(vertices[None], faces, (20, 30)), torch.ones(len(vertices), 3)).shape == (
        1,
        3,
        20,
        30,
    )


@pytest.fixture(scope="module")
def official(parity):
    return load_file(parity / "bfm_geometry.safetensors")


@pytest.fixture(scope="module")
def bfm(official, tmp_path_factory) -> Bfm:
    path = tmp_path_factory.mktemp("bfm") / "BFM_model_front.mat"
    arrays = {name.removeprefix("bfm."): value.numpy() for name, value in official.items() if name.startswith("bfm.")}
    scipy.io.savemat(path, arrays)
    return Bfm(read_bfm(path))


def build_params(vector: torch.Tensor) -> FaceParams:
    """Face parameters of Deep3D's vectors."""
    parts = split_coefficients(vector)
    still = torch.zeros(len(vector), 6)
    return FaceParams(
        shape=parts["shape"],
        expression=parts["expression"],
        global_pose=matrix_to_axis_angle(angles_to_matrix(parts["angles"])),
        neck_pose=still[:, :3],
        jaw_pose=still[:, :3],
        eye_pose=still,
        camera=crop_camera(parts["translation"]),
        texture=parts["texture"],
        light=parts["light"],
    )


@pytest.fixture(scope="module")
def pairs(official, bfm):
    """The fixture's targets, rasterised as PyTorch3D does, which culls nothing, and the meshes of its sources.

    The vertices are the fixture's own: a sliver of this mesh turns 4e-7 of a vertex into 2e-5 of flow.
    """
    source = build_params(official["coeffs"][official["flow.pairs"][:, 0]])
    target = build_params(official["flow.coeffs_target"])
    points = official["flow.verts_target_camera"] * torch.tensor([1.0, 1, -1]) + torch.tensor([0.0, 0, 10])
    camera = torch.tensor([[1015 / 112, 1015 / 112, 0, 0, 0, 0, -10]]).expand(3, -1)
    vertices = project(points, camera)
    torch.testing.assert_close(bfm.posed(target)[..., :2], vertices[..., :2], atol=2e-6, rtol=0)
    face = rasterize_face(vertices, bfm.faces, 128, camera=camera, cull_backfaces=False)
    return face, bfm.posed(source), target


def test_perspective_flow_is_the_official_one(official, bfm, pairs):
    face, source, _ = pairs
    assert torch.equal(face.fragments.face_index, official["raster.pix_to_face_target"].long())
    assert torch.equal(face_mask(face)[:, 0].bool(), official["flow.mask"].bool())
    flow = flow_map(face, build_source_geometry(source, bfm.faces, 128)).permute(0, 2, 3, 1)
    torch.testing.assert_close(flow, official["flow.F_c"], atol=1e-5, rtol=0)
    linear = flow_map(
        rasterize_face(face.vertices, bfm.faces, 128, cull_backfaces=False),
        build_source_geometry(source, bfm.faces, 128),
    ).permute(0, 2, 3, 1)
    assert (linear - official["flow.F_c"]).abs().max() > 1e-3


def test_literal_visibility_and_shading_are_the_official_ones(official, bfm, pairs):
    face, source, target = pairs
    literal = build_source_geometry(source, bfm.faces, 128, rule="literal")
    assert torch.equal(visibility_map(face, literal)[:, 0], official["flow.O_c"].float())
    colours = DEEP3D.shade_albedo(bfm.albedo(target.texture), bfm.normals(target), target.light)
    shaded = shaded_map(face, colours).permute(0, 2, 3, 1)
    torch.testing.assert_close(shaded, official["flow.I_r"], atol=1e-5, rtol=0)
    assert shaded.max() > 1


def test_the_flow_of_a_screen_that_does_not_move_is_zero_and_batch_1_serves_all():
    vertices, faces = sphere()
    face = rasterize_face(vertices.expand(3, -1, -1), faces, 32)
    source = build_source_geometry(vertices[None], faces, 32)
    torch.testing.assert_close(flow_map(face, source), torch.zeros(3, 2, 32, 32), atol=1e-6, rtol=0)
    moved = build_source_geometry(vertices[None] + torch.tensor([0.25, -0.5, 0]), faces, 32)
    mask = face_mask(face)
    expected = torch.tensor([0.25, -0.5]).view(1, 2, 1, 1) * mask
    torch.testing.assert_close(flow_map(face, moved), expected.expand(3, -1, -1, -1), atol=1e-6, rtol=0)
    outside = build_source_geometry(vertices[None] + 5, faces, 32)
    assert not visibility_map(face, outside).any()
    behind = build_source_geometry(vertices[None] * torch.tensor([-1.0, 1, -1]), faces, 32)
    assert visibility_map(face, source)[mask.bool()].float().mean() > 0.95
    assert visibility_map(face, behind).float().sum() < 0.05 * mask.sum()
    # The two sides of a thin sheet are nearer to each other than the tolerance of depth.
    sheet = rasterize_face(vertices[None] * torch.tensor([1.0, 1, 0.01]), faces, 32)
    back = build_source_geometry(vertices[None] * torch.tensor([-1.0, 1, -0.01]), faces, 32)
    assert visibility_map(sheet, back).sum() < 0.05 * mask.sum()


def test_depth_normals_and_landmarks():
    vertices, faces = sphere()
    face = rasterize_face(vertices[None], faces, 65)
    mask = face_mask(face)
    depth = depth_map(face)
    assert depth[0, 0, 32, 32] > 0.95
    assert depth[0, 0, 32, 33:].diff().max() <= 0
    assert not depth[mask == 0].any()
    normals = normal_map(face, F.normalize(vertices[None] * torch.tensor([1.0, -1, -1]), dim=-1))
    assert normals[0, 2, 32, 32] > 0.9
    assert normals[0, 0, 32, 45] > 0.2
    assert not normals[(mask == 0).expand_as(normals)].any()
    dots = landmark_map(torch.tensor([[[0.0, 0.5], [-0.25, 0.0]]]), (64, 32), radius=0.1)
    assert dots.shape == (1, 1, 64, 32)
    peaks = 0.5 / torch.tensor([64, 32]) + (dots[0, 0] > 0.5).nonzero().float().mean(0) / torch.tensor([64, 32])
    torch.testing.assert_close(peaks, torch.tensor([0.625, 0.4375]), atol=0.01, rtol=0)


@pytest.mark.parametrize("antialias", [False, True])
def test_maps_of_one_rasterisation_are_those_drawn_each_alone(antialias):
    vertices, faces = sphere()
    posed = torch.stack([vertices, 0.7 * vertices])
    attributes = torch.rand(2, len(vertices), 5, generator=torch.Generator().manual_seed(0))
    face = rasterize_face(posed, faces, 24)
    for values in (attributes, attributes[:1], attributes[0]):
        alone = render_attributes(posed, faces, values.expand(2, -1, -1), 24, smooth=antialias)
        assert torch.equal(face.draw(values, antialias=antialias), alone)
