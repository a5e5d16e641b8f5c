"""Face models, face parameters and portraits of any leading dimensions."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from reenact.faces.model import FaceModel
from reenact.faces.params import FaceParams
from reenact.faces.portrait import Portrait, PortraitPair
from reenact.faces.registry import load_face_model

MODELS = ("head", "flame", "bfm")
LEADING = ((), (6,), (2, 3), (1, 2, 3))


def draw_params(model: FaceModel, leading: tuple[int, ...]) -> FaceParams:
    """Random parameters; half of the images are mirrored."""
    count = math.prod(leading)
    draw = torch.Generator().manual_seed(0)
    neutral = model.neutral(count)
    moved = neutral.map(lambda value: value + 0.1 * torch.rand(value.shape, generator=draw))
    moved = replace(moved, mirrored=torch.arange(count) % 2 == 1)
    return moved.map(lambda value: value.reshape((*leading, *value.shape[1:])))


def assert_equal(result: torch.Tensor, flat: torch.Tensor, leading: tuple[int, ...]) -> None:
    assert result.shape == (*leading, *flat.shape[1:])
    torch.testing.assert_close(result.reshape(flat.shape), flat, rtol=0, atol=0)


@pytest.mark.parametrize("leading", LEADING, ids=str)
@pytest.mark.parametrize("name", MODELS)
def test_meshes_equal_those_of_the_flattened_parameters(face_models, name, leading):
    model = face_models[name]
    params = draw_params(model, leading)
    flat, subset = params.map(lambda value: value.reshape(-1, *value.shape[len(leading) :])), torch.tensor([7, 3])
    assert_equal(model.vertices(params), model.vertices(flat), leading)
    assert_equal(model.vertices(params, subset), model.vertices(flat, subset), leading)
    assert_equal(model.posed(params), model.posed(flat), leading)
    assert_equal(model.landmarks68(model.posed(params)), model.landmarks68(model.posed(flat)), leading)


def test_sliding_landmarks_and_colours_take_leading_dimensions(face_models):
    flame, bfm = face_models["flame"], face_models["bfm"]
    params = draw_params(flame, (2, 3))
    flat = params.merged()
    sliding = flame.landmarks2d(flame.vertices(params), params)
    assert_equal(sliding, flame.landmarks2d(flame.vertices(flat), flat), (2, 3))
    params, texture = draw_params(bfm, (2, 3)), torch.rand(2, 3, 80)
    assert_equal(bfm.normals(params), bfm.normals(params.merged()), (2, 3))
    assert_equal(bfm.unposed(params), bfm.unposed(params.merged()), (2, 3))
    assert_equal(bfm.albedo(texture), bfm.albedo(texture.flatten(0, 1)), (2, 3))


def test_clips_become_pictures_and_clips_again():
    def portrait(name: str) -> Portrait:
        names = [f"{name}{number}" for number in range(2)]
        params = load_face_model("head").neutral(6).split(3)
        return Portrait(torch.rand(2, 3, 3, 8, 8), params, frame=torch.arange(6).view(2, 3), identity=names, clip=names)

    pair = PortraitPair(portrait("a"), portrait("b"))
    merged = pair.merged()
    assert merged.source.image.shape == (6, 3, 8, 8)
    assert merged.source.params.shape.shape == (6, 62)
    assert merged.driving.identity == ["b0", "b0", "b0", "b1", "b1", "b1"]
    assert torch.equal(merged[4].source.image, pair.source.image[1, 1])
    again = merged.split(3)
    assert again.source.clip == pair.source.clip
    assert torch.equal(again.driving.image, pair.driving.image)
    assert torch.equal(again.driving.params.camera, pair.driving.params.camera)
    assert torch.equal(again.driving.frame, pair.driving.frame)
