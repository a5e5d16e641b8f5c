"""Guidance maps."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from reenact.faces.guidance import code_map, displacement_map, face_mask, nmfc_map

from .raster.meshes import grid, sphere


def test_displacement_samples_the_source_where_the_driving_face_is():
    driving, faces = sphere()
    driving = driving[None] * 0.6
    source = driving + torch.tensor([0.25, -0.125, 0.0])
    size = 64
    displacement = displacement_map(source, driving, faces, size, antialias=False)
    mask = face_mask(driving, faces, size)
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
    displacement = displacement_map(source, driving, faces, 48)
    torch.testing.assert_close(displacement[0], expected[:2], atol=1e-6, rtol=0)
    torch.testing.assert_close(code_map(driving, faces, codes, 48)[0], expected[2:], atol=1e-6, rtol=0)
    expected = tensors["raster/output/attr_s_noaa"].permute(2, 0, 1)
    sharp = code_map(source, faces, codes, 48, antialias=False)
    torch.testing.assert_close(sharp[0], expected, atol=1e-6, rtol=0)


def test_codes_learn():
    vertices, faces = sphere()
    codes = torch.zeros(len(vertices), 16, requires_grad=True)
    optimiser = torch.optim.SGD([codes], lr=2.0)
    target = code_map(vertices[None], faces, torch.rand(len(vertices), 16), 32)
    losses = []
    for _ in range(20):
        loss = F.mse_loss(code_map(vertices[None], faces, codes, 32), target, reduction="sum") / 32
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]


def test_nmfc_wears_the_mean_face():
    vertices, faces = sphere()
    mean = vertices * torch.tensor([0.1, 0.2, 0.3]) + 5
    image = nmfc_map(vertices[None], faces, mean, 65, antialias=False)
    mask = face_mask(vertices[None], faces, 65)[0, 0].bool()
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
    whole = face_mask(vertices[None], faces, 64)
    assert set(whole.unique().tolist()) == {0.0, 1.0}
    right = face_mask(vertices[None], faces, 64, region=vertices[:, 0] > 0)
    assert right[..., 40:].sum() == whole[..., 40:].sum()
    assert right[..., :24].sum() == 0
    soft = face_mask(vertices[None], faces, 64, antialias=True)
    assert ((soft > 0) & (soft < 1)).any()
    area = torch.pi * 0.65 * 0.8 / 4 * 64**2
    assert soft.sum().item() == pytest.approx(area, rel=0.05)


def test_a_sheet_seen_from_behind_is_background():
    vertices, faces = grid(2)
    assert face_mask(vertices[None], faces, 16).any()
    assert not face_mask(vertices[None], faces.flip(1), 16).any()


def test_sizes_are_height_then_width():
    vertices, faces = sphere()
    assert code_map(vertices[None], faces, torch.ones(len(vertices), 3), (20, 30)).shape == (1, 3, 20, 30)
