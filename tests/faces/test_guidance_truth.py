"""Flow and visibility against rays through the posed meshes, at the size and the turns of the papers."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest
import torch

from reenact.faces.guidance import build_source_geometry, flow_map, rasterize_face, visibility_map
from reenact.world import World

SIZE, STEP = 256, 4


@pytest.fixture(scope="module")
def rays():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parents[2] / "benchmarks")
        yield importlib.import_module("_traced_faces")


def pose_pair(face_models, name, degrees):
    """The face model, and the parameters of a source and of a driving frame whose yaw differs by so many degrees."""
    if name == "world":  # clip 0 of person 23 turns by 39 degrees
        return face_models["head"], World(0).params(23, 0, [40, 40 + round(degrees * 85 / 40)])
    model = face_models[name]
    params = model.neutral(2)
    params.global_pose[:, 1] = torch.deg2rad(torch.tensor([degrees / 2, -degrees / 2]))
    return model, params


@pytest.mark.parametrize(("name", "degrees"), [("world", 10), ("world", 40), ("bfm", 40)])
def test_flow_and_visibility_are_those_of_rays(face_models, rays, name, degrees):
    model, params = pose_pair(face_models, name, degrees)
    (source, driving), cameras = model.vertices(params).numpy(), params.camera.double().numpy()
    pixels = rays.find_centres(SIZE)[::STEP, ::STEP]
    truth = rays.trace_guidance(source, cameras[0], driving, cameras[1], model.faces.numpy(), pixels)
    posed, faces = model.posed(params), model.faces
    for _ in range(2 if name == "world" else 0):  # the same surface, with as many triangles a pixel as BFM's
        posed, faces = rays.subdivide(posed, faces)
    face = rasterize_face(posed[1:], faces, SIZE, camera=params.camera[1:])
    covered = face.fragments.covered[0, ::STEP, ::STEP].numpy()
    both = covered & truth.mask
    assert both.sum() > 0.995 * (covered | truth.mask).sum() > 800
    agreement = {}
    for rule in ("depth", "literal"):
        geometry = build_source_geometry(posed[:1], faces, SIZE, rule=rule)
        visible = visibility_map(face, geometry)[0, 0, ::STEP, ::STEP].numpy() > 0
        assert not visible[~covered].any()
        agreement[rule] = (visible == truth.visible)[both].mean()
    flow = flow_map(face, geometry)[0, :, ::STEP, ::STEP].permute(1, 2, 0).numpy()
    assert not flow[~covered].any()
    error = np.linalg.norm((flow - truth.flow)[both], axis=-1) * SIZE / 2
    assert error.mean() < 0.01  # pixels; of BFM's own small triangles less, since equation (3) interpolates projections
    assert np.linalg.norm(truth.flow[both], axis=-1).mean() * SIZE / 2 > 4
    assert agreement["depth"] > 0.95
    assert agreement["literal"] < agreement["depth"] - (0.15 if name == "world" else 0)
