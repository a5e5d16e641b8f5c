"""Guidance maps of MagicPortrait."""

from dataclasses import replace

import pytest
import torch
from zoo import portrait

from reenact.errors import ReenactError
from reenact.faces.guidance import rasterize_face
from reenact.faces.registry import load_face_model
from reenact.faces.shading import DECA
from reenact.models.magicportrait.maps import align_structure, draw_maps

KINDS = ("depth", "normal", "render", "landmarks")


@pytest.fixture(scope="module")
def head():
    return load_face_model("head")


@pytest.fixture(scope="module")
def faces():
    return portrait(2, 3, "a").params


def test_maps_are_those_of_the_formulas(head, faces):
    """Every pixel against the barycentric sum of its triangle's vertices."""
    maps = draw_maps(head, faces, 48, KINDS)
    posed = head.posed(faces)
    fragments = rasterize_face(posed, head.faces, 48, cull_backfaces=False).fragments
    normals, albedo = head.normals(faces), head.reflectance(faces.texture)
    depth = posed[..., 2]
    nearness = (depth.amax(1, keepdim=True) - depth) / (depth.amax(1, keepdim=True) - depth.amin(1, keepdim=True))
    for row in range(2):
        rows, columns = fragments.covered[row].nonzero(as_tuple=True)
        assert len(rows) > 300
        corners = head.faces[fragments.face_index[row][rows, columns]]
        weights = fragments.barycentric[row][rows, columns]

        def mix(values, corners=corners, weights=weights):
            return (values[corners] * weights[..., None]).sum(1)

        directions = mix(normals[row])
        lit = head.light_convention.shade_albedo(mix(albedo[row])[None], directions[None], faces.light[row : row + 1])
        wanted = {"depth": mix(nearness[row][:, None]).expand(-1, 3), "normal": directions, "render": lit[0]}
        for kind, values in wanted.items():
            drawn = maps[kind][row][:, rows, columns].T
            torch.testing.assert_close(drawn, values.clamp(0, 1), atol=1e-4, rtol=0)
            assert not maps[kind][row][:, ~fragments.covered[row]].any()
    assert maps["depth"].amax() <= 1
    assert maps["landmarks"].shape == (2, 3, 48, 48)


def test_the_light_of_flame_is_the_papers():
    """Facts of the released code: factors of the nine bands."""
    normal = torch.tensor([[0.6, 0.0, 0.8]])
    bands = DECA.evaluate_bands(normal)[0]
    assert bands[0] == pytest.approx(0.28209479)
    assert bands[1] == pytest.approx(0.6 * 2.0943951 * 0.48860251)
    assert bands[8] == pytest.approx(0.39269908 * 0.63078313 * (3 * 0.64 - 1), rel=1e-5)


def test_a_mirrored_face_has_mirrored_maps(head, faces):
    plain = draw_maps(head, faces, 32, ("depth", "render"))
    mirrored = draw_maps(head, replace(faces, mirrored=torch.tensor([True, True])), 32, ("depth", "render"))
    for kind in plain:
        difference = (mirrored[kind].flip(-1) - plain[kind]).abs()
        assert difference.mean() < 5e-3, kind  # the head's triangles are not symmetric


def test_a_render_without_light_is_refused(head, faces):
    with pytest.raises(ReenactError, match="needs light of every face: the stage `parameters` of `reenact prepare`"):
        draw_maps(head, replace(faces, light=None), 32, ("render",))


def test_texture_and_light_are_the_sources(faces):
    source, clip = portrait(1, 9, "b").params, faces.map(lambda value: value[None])
    source = replace(source, texture=source.texture + 1, light=source.light + 1)
    aligned = align_structure(source, clip)
    assert torch.equal(aligned.texture, source.texture[:, None].expand(1, 2, -1))
    assert torch.equal(aligned.light, source.light[:, None].expand(1, 2, -1, -1))
    assert torch.equal(aligned.expression, clip.expression)
    assert torch.equal(align_structure(source, faces).texture, source.texture.expand(2, -1))
