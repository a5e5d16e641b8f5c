"""Texture and light from pictures: of known colours, of the synthetic world, past what hides the skin."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from faces.made_flame import made_arrays
from reenact.errors import ReenactError
from reenact.faces.appearance import MOST_FRAMES, choose_frames, fit_appearance
from reenact.faces.flame import Flame
from reenact.faces.portrait import to_tensor
from reenact.faces.raster import interpolate, rasterize
from reenact.faces.registry import load_face_model
from reenact.world import World

from .made_bfm import write_bfm

SIZE = 96


@pytest.fixture(scope="module")
def face_models(tmp_path_factory):
    bfm = load_face_model(str(write_bfm(tmp_path_factory.mktemp("models") / "bfm")))
    return {"head": load_face_model("head"), "bfm": bfm}


def draw_params(model, frames):
    """Faces that turn, with a drawn texture and light."""
    draw = torch.Generator().manual_seed(1)
    mean, covariance = model.appearance_prior()
    values = mean + torch.linalg.cholesky(covariance) @ torch.randn(len(mean), generator=draw) * 0.7
    params = model.neutral(frames)
    params.global_pose[:, 1] = torch.linspace(-0.4, 0.4, frames)
    texture, light = values[: model.num_texture], values[model.num_texture :].reshape(9, 3)
    return replace(params, texture=texture.repeat(frames, 1), light=light.repeat(frames, 1, 1))


def render(model, params):
    """(T, 3, SIZE, SIZE) pictures in [-1, 1] of the model's own colours."""
    fragments = rasterize(model.posed(params), model.faces, SIZE)
    return interpolate(fragments, model.faces, model.colours(params)).clamp(0, 1) * 2 - 1


def measure_error(model, fitted, truth):
    """Mean difference of the measured vertices' colours, in grey levels of 255."""
    difference = (model.colours(fitted) - model.colours(truth))[:, model.measured_vertices()]
    return 255 * float(difference.abs().mean())


def forget(params):
    return replace(params, texture=None, light=None)


@pytest.mark.parametrize(("name", "limit"), [("head", 5.0), ("bfm", 10.0)])
def test_finds_the_colours_that_a_picture_was_drawn_with(face_models, name, limit):
    model = face_models[name]
    truth = draw_params(model, 3)
    fitted = fit_appearance(model, forget(truth), render(model, truth))
    assert fitted.texture.shape == truth.texture.shape
    assert torch.equal(fitted.light, fitted.light[:1].expand(3, -1, -1))
    assert measure_error(model, fitted, truth) < limit
    torch.testing.assert_close(fitted.camera, truth.camera, rtol=0, atol=0)


def test_finds_the_worlds_skin_and_light_up_to_their_common_scale(face_models):
    head, hues, lights = face_models["head"], [], []
    for identity in range(6):
        images, truth, _ = World(0).sequence(identity, 0, [5, 60], SIZE)
        fitted = fit_appearance(head, forget(truth), to_tensor(images))
        scale = fitted.texture[0, :3] / truth.texture[0, :3]
        hues.append(float((scale / scale.mean() - 1).abs().max()))
        normals = head.normals(truth)[0, head.region("face")]
        normals = normals[normals[:, 2] > 0.2]
        found, true = (head.light_convention.measure_irradiance(normals, p.light[0]) for p in (fitted, truth))
        found = found * (found * true).sum() / found.square().sum()
        lights.append(float((found - true).abs().mean() / true.mean()))
        assert 0.6 < scale.mean() < 1.6
    assert np.mean(hues) < 0.1
    assert np.mean(lights) < 0.1


def test_hair_over_a_third_of_the_face_does_not_darken_the_skin(face_models):
    head = face_models["head"]
    truth = draw_params(head, 2)
    images = render(head, truth)
    images[:, :, : SIZE // 3] = -0.95
    fitted = fit_appearance(head, forget(truth), images)
    assert measure_error(head, fitted, truth) < 12


def test_some_frames_tell_of_all(face_models):
    head = face_models["head"]
    truth = draw_params(head, 5)
    images, frames = render(head, truth), torch.tensor([0, 4])
    some = fit_appearance(head, forget(truth), images[frames], frames)
    alone = fit_appearance(head, forget(truth[frames]), images[frames])
    assert some.texture.shape == (5, 12)
    torch.testing.assert_close(some.texture[0], alone.texture[0], rtol=0, atol=0)


def test_a_face_out_of_the_picture_has_the_priors_colours(face_models):
    head = face_models["head"]
    params = head.neutral()
    params.camera[:, 1] += 5
    fitted = fit_appearance(head, params, torch.zeros(1, 3, SIZE, SIZE))
    mean = head.appearance_prior()[0]
    torch.testing.assert_close(fitted.texture[0], mean[:12])
    torch.testing.assert_close(fitted.light[0].flatten(), mean[12:])


def test_a_model_without_texture_is_refused():
    flame = Flame(made_arrays())
    with pytest.raises(ReenactError, match=r"FLAME_texture\.npz.* is missing"):
        fit_appearance(flame, flame.neutral(), torch.zeros(1, 3, SIZE, SIZE))


def test_frames_are_spread_over_those_that_show_the_face():
    visible = np.zeros(100, np.bool_)
    visible[20:60] = True
    frames = choose_frames(visible)
    assert len(frames) == MOST_FRAMES
    assert (frames[0], frames[-1]) == (20, 59)
    assert visible[frames].all()
    assert choose_frames(np.zeros(3, np.bool_)).tolist() == [0, 1, 2]
