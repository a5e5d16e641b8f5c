"""Interpolation and antialiasing: values, gradients, Numba against plain torch, and the parity fixture."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file

from reenact.faces.raster import (
    Fragments,
    antialias,
    interpolate,
    numba_silhouette,
    rasterize,
    render_attributes,
    silhouette,
    torch_reference,
)
from reenact.faces.raster.topology import Topology, topology_of

from .meshes import grid, soup, sphere


def drawn(seed: int, dtype: torch.dtype = torch.float32, size: tuple[int, int] = (22, 31)):
    vertices, faces = soup(seed, dtype=dtype)
    generator = torch.Generator().manual_seed(seed + 1)
    attributes = torch.rand(2, 30, 5, generator=generator, dtype=torch.float64).to(dtype)
    return vertices, faces, attributes, rasterize(vertices, faces, size, cull_backfaces=seed % 2 == 0)


@pytest.mark.parametrize("seed", range(4))
def test_interpolation_equals_the_reference(seed):
    _, faces, attributes, fragments = drawn(seed)
    expected = torch_reference.interpolate(fragments.face_index, fragments.barycentric, faces, attributes)
    torch.testing.assert_close(interpolate(fragments, faces, attributes), expected)
    shared = interpolate(fragments, faces, attributes[0])
    torch.testing.assert_close(shared[0], expected[0])


def test_interpolation_gradients_match_finite_differences():
    _, faces, attributes, fragments = drawn(1, torch.float64, (6, 7))

    def picture(values, weights):
        return interpolate(Fragments(fragments.face_index, weights, fragments.depth), faces, values)

    inputs = attributes.requires_grad_(), fragments.barycentric.clone().requires_grad_()
    assert torch.autograd.gradcheck(picture, inputs)


def test_gradient_of_shared_codes_sums_over_the_batch():
    _, faces, attributes, fragments = drawn(2)
    codes = attributes[0].clone().requires_grad_()
    weight = torch.randn(2, 5, 22, 31, generator=torch.Generator().manual_seed(0))
    (interpolate(fragments, faces, codes) * weight).sum().backward()
    expected = attributes[0].clone().requires_grad_()
    picture = torch_reference.interpolate(
        fragments.face_index, fragments.barycentric, faces, expected.expand(2, -1, -1)
    )
    (picture * weight).sum().backward()
    torch.testing.assert_close(codes.grad, expected.grad)


def test_half_precision_attributes_keep_their_type():
    _, faces, attributes, fragments = drawn(0)
    image = interpolate(fragments, faces, attributes.bfloat16())
    assert image.dtype == torch.bfloat16
    torch.testing.assert_close(image.float(), interpolate(fragments, faces, attributes), atol=0.02, rtol=0)


@pytest.mark.parametrize("shape", [(3, 30, 2), (29, 2), (30,)])
def test_attributes_that_do_not_fit(shape):
    _, faces, _, fragments = drawn(0)
    with pytest.raises(ValueError, match="don't fit 2 frames"):
        interpolate(fragments, faces, torch.zeros(shape))


@pytest.mark.parametrize("seed", range(6))
def test_antialiasing_equals_the_reference(seed):
    vertices, faces, attributes, fragments = drawn(seed)
    image = interpolate(fragments, faces, attributes)
    pairs = silhouette.find_pairs(fragments, vertices, faces, topology_of(faces).opposite)
    expected = silhouette.blend_pairs(image, pairs)
    assert len(pairs.alpha) > 10
    assert not torch.equal(expected, image)
    torch.testing.assert_close(antialias(image, fragments, vertices, faces), expected)
    blends = numba_silhouette.find_blends(fragments, vertices, faces, topology_of(faces).opposite)
    assert sum(len(frame.alpha) for frame in blends) == len(pairs.alpha)
    together = render_attributes(vertices, faces, attributes, (22, 31), cull_backfaces=seed % 2 == 0)
    torch.testing.assert_close(together, expected)


def test_antialiasing_shares_are_the_covered_part_of_a_pixel():
    # A half plane whose edge runs at x = 2.3 pixels: 0.3 of pixel 2 is covered, and its centre isn't.
    edge = 2 * 2.3 / 8 - 1
    vertices = torch.tensor([[[edge, -9.0, 0], [-9.0, 0, 0], [edge, 9.0, 0]]])
    image = render_attributes(vertices, torch.tensor([[0, 1, 2]]), torch.ones(3, 1), 8)
    expected = torch.tensor([1.0, 1, 0.3, 0, 0, 0, 0, 0])
    torch.testing.assert_close(image[0, 0], expected.expand(8, 8), atol=1e-5, rtol=0)
    edge = 2 * 2.9 / 8 - 1
    vertices[0, [0, 2], 0] = edge
    image = render_attributes(vertices, torch.tensor([[0, 1, 2]]), torch.ones(3, 1), 8)
    torch.testing.assert_close(image[0, 0, 3], torch.tensor([1.0, 1, 0.9, 0, 0, 0, 0, 0]), atol=1e-5, rtol=0)


def test_antialiasing_leaves_the_inside_of_a_surface_alone():
    vertices, faces = grid(6)
    attributes = torch.rand(len(vertices), 3, generator=torch.Generator().manual_seed(0))
    sharp = render_attributes(vertices[None], faces, attributes, 33, smooth=False)
    smooth = render_attributes(vertices[None], faces, attributes, 33)
    changed = (sharp != smooth).any(dim=1)[0]
    assert changed.any()
    assert not changed[6:27, 6:27].any()


@pytest.mark.parametrize("own_vertices", [False, True])
def test_gradients_through_antialiasing_match_finite_differences(own_vertices):
    vertices, faces = sphere(3, 5)
    vertices = (vertices + 0.03 * torch.randn(vertices.shape, generator=torch.Generator().manual_seed(4)))[
        None
    ].double()
    codes = torch.rand(len(vertices[0]), 2, dtype=torch.float64, generator=torch.Generator().manual_seed(5))

    def picture(points, values):
        return render_attributes(points, faces, values, (8, 9))

    plain = render_attributes(vertices, faces, codes, (8, 9), smooth=False)
    assert not torch.equal(plain, picture(vertices, codes))
    inputs = vertices.requires_grad_(own_vertices), codes.requires_grad_()
    assert torch.autograd.gradcheck(picture, inputs, eps=1e-7, atol=1e-5)
    together = picture(*inputs)
    fragments = rasterize(vertices, faces, (8, 9), cull_backfaces=True)
    apart = antialias(interpolate(fragments, faces, codes), fragments, vertices, faces)
    torch.testing.assert_close(apart, together)


def test_antialias_alone_gives_gradients_to_the_image():
    vertices, faces, _, fragments = drawn(0, torch.float64, (6, 7))
    image = torch.rand(2, 2, 6, 7, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda picture: antialias(picture, fragments, vertices, faces), image)


def test_neighbours_across_edges():
    # Two triangles share the edge 1-2; a third on the same edge has no partner; a degenerate one counts for nothing.
    faces = torch.tensor([[0, 1, 2], [2, 1, 3], [1, 2, 4], [1, 2, 2]])
    expected = torch.tensor([[3, -1, -1], [-1, -1, 0], [-1, -1, -1], [-1, -1, -1]])
    assert torch.equal(Topology(faces).opposite, expected)


@pytest.mark.parametrize("backend", ["reference", "numba"])
@pytest.mark.parametrize("which", ["s", "d"])
def test_parity_with_the_official_conventions(parity, backend, which):
    tensors = load_file(parity / "pwm.safetensors")
    source, driving = tensors["raster/input/verts_s"][None], tensors["raster/input/verts_d"][None]
    faces, codes = tensors["raster/input/tri"].long(), tensors["raster/input/codes"][None]
    vertices = driving if which == "d" else source
    attributes = torch.cat([(source - driving)[..., :2], codes], dim=-1) if which == "d" else codes
    whole = rasterize(vertices, faces, 48, backend=backend)
    culled = rasterize(vertices, faces, 48, cull_backfaces=True, backend=backend)
    assert torch.equal(whole.face_index[0] + 1, tensors[f"raster/output/tri_id_{which}_before_cull"].long())
    assert torch.equal(culled.face_index[0] + 1, tensors[f"raster/output/tri_id_{which}"].long())
    sharp = interpolate(culled, faces, attributes)
    smooth = antialias(sharp, culled, vertices, faces)
    for image, name in ((sharp, "noaa"), (smooth, "aa")):
        expected = tensors[f"raster/output/attr_{which}_{name}"].permute(2, 0, 1)
        torch.testing.assert_close(image[0], expected, atol=1e-6, rtol=0)
