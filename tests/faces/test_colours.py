"""Texture, normals and light of every face model, each by its own convention."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from faces.test_leading import draw_params
from reenact.errors import ReenactError
from reenact.faces.flame import Flame
from reenact.faces.raster import interpolate, rasterize
from reenact.faces.registry import load_face_model
from reenact.faces.shading import DECA, DEEP3D, WORLD
from reenact.world import World
from reenact.world.kernels import SKIN
from reenact.world.kernels import vertex_normals as world_normals
from reenact.world.light import evaluate_harmonics
from reenact.world.people import draw_person
from reenact.world.scene import _tabulate_srgb

from .made_bfm import write_bfm
from .made_flame import made_arrays

CONVENTIONS = {"head": WORLD, "bfm": DEEP3D, "flame": DECA}


@pytest.fixture(scope="module")
def face_models(tmp_path_factory):
    bfm = load_face_model(str(write_bfm(tmp_path_factory.mktemp("models") / "bfm")))
    return {"head": load_face_model("head"), "bfm": bfm, "flame": Flame(made_arrays())}


def draw_appearance(model, leading):
    params = draw_params(model, leading)
    texture, light = torch.rand(*leading, model.num_texture), 0.3 * torch.rand(*leading, 9, 3)
    return replace(params, texture=texture, light=light, mirrored=None)


@pytest.mark.parametrize("name", CONVENTIONS)
def test_every_model_names_its_own_light(face_models, name):
    assert face_models[name].light_convention is CONVENTIONS[name]


@pytest.mark.parametrize("name", ["head", "bfm"])
def test_colours_are_albedo_under_the_models_own_light(face_models, name):
    model = face_models[name]
    params = draw_appearance(model, (2, 3))
    colours = model.colours(params)
    assert colours.shape == (2, 3, len(model.mean_vertices), 3)
    torch.testing.assert_close(colours.flatten(0, 1), model.colours(params.merged()), rtol=0, atol=0)
    torch.testing.assert_close(colours[1, 2], model.colours(params[1, 2]), rtol=1e-4, atol=1e-5)
    reflectance, normals = model.reflectance(params.texture), model.normals(params)
    shaded = CONVENTIONS[name].shade_albedo(reflectance, normals, params.light)
    torch.testing.assert_close(colours, shaded, rtol=0, atol=0)


@pytest.mark.parametrize("name", ["head", "bfm"])
def test_a_mirrored_face_wears_its_colours_mirrored(face_models, name):
    model = face_models[name]
    params = draw_appearance(model, (2,))
    flipped = replace(params, mirrored=torch.tensor([True, False]))
    plain, mirrored = model.colours(params), model.colours(flipped)
    torch.testing.assert_close(mirrored[0], plain[0, model.flip_permutation], rtol=0, atol=0)
    torch.testing.assert_close(mirrored[1], plain[1], rtol=0, atol=0)
    across = model.normals(params)[0, model.flip_permutation] * torch.tensor([-1.0, 1, 1])
    torch.testing.assert_close(model.normals(flipped)[0], across, rtol=0, atol=0)


def test_a_texture_is_affine_in_its_coefficients(face_models):
    for name in ("head", "bfm"):
        model = face_models[name]
        a, b = torch.rand(2, model.num_texture)
        half = (model.reflectance(a) + model.reflectance(b)) / 2
        torch.testing.assert_close(model.reflectance((a + b) / 2), half)
        assert len(model.texture_names) in (0, model.num_texture)
        assert 0.05 < model.measured_vertices().float().mean() <= 1


def test_a_model_without_texture_says_what_is_missing(face_models):
    flame = face_models["flame"]
    params = replace(draw_params(flame, (1,)), texture=torch.zeros(1, 50), light=torch.zeros(1, 9, 3))
    with pytest.raises(ReenactError, match=r"FLAME_texture\.npz.* is missing: put flame/FLAME_texture\.npz under"):
        flame.colours(params)
    head = face_models["head"]
    with pytest.raises(ReenactError, match="without texture and light have no colours"):
        head.colours(head.neutral())


def test_decas_light_is_the_official_formula():
    normals = torch.nn.functional.normalize(torch.randn(5, 7, 3), dim=-1)
    light, albedo = torch.rand(5, 9, 3), torch.rand(5, 7, 3)
    x, y, z = normals.unbind(-1)
    basis = torch.stack([x * 0 + 1, x, y, z, x * y, x * z, y * z, x**2 - y**2, 3 * z**2 - 1], -1)
    pi = math.pi
    constants = [1 / math.sqrt(4 * pi), *[2 * pi / 3 * math.sqrt(3 / (4 * pi))] * 3]
    constants += [*[pi / 4 * 3 * math.sqrt(5 / (12 * pi))] * 3, pi / 4 * 1.5 * math.sqrt(5 / (12 * pi))]
    constants += [pi / 4 * 0.5 * math.sqrt(5 / (4 * pi))]
    shading = (light[:, None] * (basis * torch.tensor(constants))[..., None]).sum(2)
    torch.testing.assert_close(DECA.shade_albedo(albedo, normals, light), albedo * shading)


def test_the_heads_light_and_curve_are_the_worlds():
    normals = torch.nn.functional.normalize(torch.randn(50, 3, dtype=torch.float64), dim=-1)
    assert np.allclose(WORLD.evaluate_bands(normals).numpy(), evaluate_harmonics(normals.numpy()))
    stored = torch.arange(8192, dtype=torch.float64) / 4096
    codes = 255 * WORLD.encode_colours(stored / WORLD.exposure)
    assert np.abs(codes.numpy() - _tabulate_srgb()).max() <= 0.51
    low = stored[stored < 1.5] / WORLD.exposure
    torch.testing.assert_close(WORLD.decode_colours(WORLD.encode_colours(low)), low)


def test_the_heads_normals_are_those_that_the_world_shades_by(face_models):
    head, params = face_models["head"], World(0).params(3, 0, [20])
    drawn = np.empty((len(head.mean_vertices), 3), np.float32)
    world_normals(head.vertices(params)[0].numpy(), head.faces.numpy().astype(np.int32), drawn)
    torch.testing.assert_close(head.normals(params)[0], torch.from_numpy(drawn), atol=1e-4, rtol=0)


def test_the_world_says_a_persons_texture(face_models):
    params, person = World(0).params(4, 1, [3, 9]), draw_person(0, 4)
    truth = np.concatenate([person.skin, person.lips, person.brow, person.iris])
    assert np.allclose(params.texture.numpy(), truth)
    albedo = face_models["head"].albedo(params.texture)[0]
    forehead = albedo[face_models["head"].region("forehead")].median(0).values
    assert np.allclose(forehead, person.skin, rtol=0.1)


def test_the_head_looks_as_the_world_draws_it(face_models):
    """Mean error of the skin's colours, in grey levels of 255; beards and the shadows of long hair are left to 20."""
    head, size, errors = face_models["head"], 96, []
    for identity in range(8):
        frame, params = World(0).render(identity, 0, 10, size), World(0).params(identity, 0, [10])
        fragments = rasterize(head.posed(params), head.faces, size, cull_backfaces=True)
        picture = interpolate(fragments, head.faces, head.colours(params))[0].permute(1, 2, 0).numpy()
        measured = interpolate(fragments, head.faces, head.measured_vertices()[:, None].float())[0, 0].numpy() > 0.99
        skin = measured & (frame.material == SKIN)
        errors.append(np.abs(255 * picture - frame.image)[skin].mean())
    assert np.median(errors) < 9
    assert max(errors) < 22
