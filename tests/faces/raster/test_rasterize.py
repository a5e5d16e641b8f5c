"""Rules of the rasteriser: coverage, visibility, invariants, bad meshes, gradients; Numba against the reference."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reenact.errors import ReenactError
from reenact.faces.raster import BACKENDS, Fragments, interpolate, rasterize

from .meshes import grid, soup, sphere

BOTH = pytest.mark.parametrize("backend", ["reference", "numba"])


def assert_same(found: Fragments, expected: Fragments) -> None:
    torch.testing.assert_close(found.face_index, expected.face_index, rtol=0, atol=0)
    torch.testing.assert_close(found.barycentric, expected.barycentric, rtol=0, atol=1e-6)
    torch.testing.assert_close(found.depth, expected.depth, rtol=1e-6, atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    cull=st.booleans(),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_numba_equals_the_reference(seed, height, width, cull, dtype):
    vertices, faces = soup(seed, dtype=dtype)
    expected = rasterize(vertices, faces, (height, width), cull_backfaces=cull, backend="reference")
    assert_same(rasterize(vertices, faces, (height, width), cull_backfaces=cull, backend="numba"), expected)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_threads_and_bands_do_not_change_the_result(threads):
    vertices, faces = soup(5, batch=1)
    expected = rasterize(vertices, faces, (37, 21), backend="reference")
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        assert_same(rasterize(vertices, faces, (37, 21), backend="numba"), expected)
    finally:
        torch.set_num_threads(before)


@BOTH
def test_a_triangle_by_hand(backend):
    # In pixels of a 4 x 4 image: (0, 0), (0, 4), (4, 0); front-facing; z = x.
    vertices = torch.tensor([[[-1.0, -1, -1], [-1, 1, -1], [1, -1, 1]]])
    found = rasterize(vertices, torch.tensor([[0, 1, 2]]), 4, cull_backfaces=True, backend=backend)
    expected = torch.tensor([[0, 0, 0, 0], [0, 0, 0, -1], [0, 0, -1, -1], [0, -1, -1, -1]])
    assert torch.equal(found.face_index[0], expected)
    torch.testing.assert_close(found.barycentric[0, 0, 1], torch.tensor([0.5, 0.125, 0.375]))
    torch.testing.assert_close(found.depth[0, 0], torch.tensor([-0.75, -0.25, 0.25, 0.75]))
    assert found.depth[0, 3, 3] == torch.inf
    assert found.barycentric[0, 3, 3].abs().sum() == 0


@BOTH
def test_nearest_wins_then_lowest_index(backend):
    square = torch.tensor([[-1.0, -1], [-1, 3], [3, -1]])
    depths = torch.tensor([0.5, -0.25, -0.25, 0.0])
    vertices = torch.cat([torch.cat([square, z.expand(3, 1)], dim=1) for z in depths])[None]
    faces = torch.arange(12).view(4, 3)
    assert (rasterize(vertices, faces, 5, backend=backend).face_index == 1).all()
    assert (rasterize(vertices, faces.flip(0), 5, backend=backend).face_index == 1).all()


@BOTH
def test_negative_zero_depth_ties_with_zero(backend):
    square = torch.tensor([[-1.0, -1], [-1, 3], [3, -1]])
    vertices = torch.cat([torch.cat([square, torch.full((3, 1), z)], dim=1) for z in (0.0, -0.0)])[None]
    assert (rasterize(vertices, torch.arange(6).view(2, 3), 3, backend=backend).face_index == 0).all()


@BOTH
def test_culling_comes_after_the_depth_test(backend):
    near_away = torch.tensor([[-1.0, -1, -0.5], [3, -1, -0.5], [-1, 3, -0.5]])
    far_facing = torch.tensor([[-1.0, -1, 0.5], [-1, 3, 0.5], [3, -1, 0.5]])
    vertices, faces = torch.cat([near_away, far_facing])[None], torch.arange(6).view(2, 3)
    assert (rasterize(vertices, faces, 4, backend=backend).face_index == 0).all()
    culled = rasterize(vertices, faces, 4, cull_backfaces=True, backend=backend)
    assert not culled.covered.any()
    assert (culled.depth == torch.inf).all()
    assert (culled.barycentric == 0).all()


@BOTH
def test_closed_mesh_needs_no_culling_and_shared_edges_leave_no_gap(backend):
    vertices, faces = sphere()
    whole = rasterize(vertices[None], faces, 64, backend=backend)
    culled = rasterize(vertices[None], faces, 64, cull_backfaces=True, backend=backend)
    assert torch.equal(whole.covered, culled.covered)
    flat, quads = grid(8)
    covered = rasterize(flat[None], quads, 40, backend=backend).covered
    assert covered[0, 4:36, 4:36].all()
    assert covered.sum() == 32 * 32


@BOTH
def test_mirror_image(backend):
    vertices, faces = soup(3)
    size = (24, 33)
    depth = rasterize(vertices, faces, size, backend=backend).depth
    mirrored = rasterize(vertices * torch.tensor([-1.0, 1, 1]), faces, size, backend=backend).depth
    torch.testing.assert_close(mirrored, depth.flip(-1))


@BOTH
def test_translation_by_whole_pixels(backend):
    vertices, faces = sphere()
    vertices = vertices[None].double() * 0.5
    here = rasterize(vertices, faces, (32, 64), backend=backend)
    moved = rasterize(vertices + torch.tensor([2 * 5 / 64, 2 * 3 / 32, 0]), faces, (32, 64), backend=backend)
    assert torch.equal(moved.face_index[:, 3:, 5:], here.face_index[:, :-3, :-5])
    torch.testing.assert_close(moved.barycentric[:, 3:, 5:], here.barycentric[:, :-3, :-5])


@BOTH
def test_refining_the_mesh_changes_nothing_seen(backend):
    coarse, coarse_faces = grid(2)
    fine, fine_faces = grid(8)

    def picture(points, faces):
        fragments = rasterize(points[None], faces, 30, backend=backend)
        return interpolate(fragments, faces, points)

    torch.testing.assert_close(picture(coarse, coarse_faces), picture(fine, fine_faces), atol=1e-6, rtol=0)


@BOTH
def test_interpolating_positions_gives_pixel_centres(backend):
    vertices, faces = sphere()
    fragments = rasterize(vertices[None], faces, (20, 30), backend=backend)
    place = interpolate(fragments, faces, vertices[None])
    x = (2 * torch.arange(30) + 1) / 30 - 1
    y = (2 * torch.arange(20) + 1) / 20 - 1
    seen = fragments.covered[0]
    torch.testing.assert_close(place[0, 0][seen], x.expand(20, 30)[seen], atol=1e-5, rtol=0)
    torch.testing.assert_close(place[0, 1][seen], y[:, None].expand(20, 30)[seen], atol=1e-5, rtol=0)
    torch.testing.assert_close(place[0, 2][seen], fragments.depth[0][seen], atol=1e-5, rtol=0)


@BOTH
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_vertex_that_is_not_finite_takes_its_faces_away_and_no_others(backend, bad, axis):
    vertices, faces = soup(7, batch=1)
    broken = vertices.clone()
    broken[0, 4, axis] = bad
    sound = faces[(faces != 4).all(dim=1)]
    found = rasterize(broken, faces, 20, backend=backend)
    expected = rasterize(vertices, sound, 20, backend=backend)
    torch.testing.assert_close(found.depth, expected.depth)
    assert not (faces[found.face_index[found.covered]] == 4).any()
    assert not found.barycentric.isnan().any()


@BOTH
def test_degenerate_and_far_away_triangles_cover_nothing_or_what_they_should(backend):
    vertices = torch.tensor(
        [
            [0.0, 0, 0],
            [0.5, 0.5, 0],
            [-0.5, -0.5, 0],
            [5, 5, 0],
            [6, 5, 0],
            [5, 6, 0],
            [-1e20, -1e20, 1],
            [1e20, -1e20, 1],
        ]
    )
    vertices = torch.cat([vertices, torch.tensor([[0.0, 1e20, 1]])])[None]
    nothing = torch.tensor([[0, 1, 2], [1, 1, 1], [0, 0, 1], [3, 4, 5]])
    assert not rasterize(vertices, nothing, 16, backend=backend).covered.any()
    assert rasterize(vertices, torch.tensor([[6, 7, 8]]), 16, backend=backend).covered.all()


@BOTH
def test_empty_meshes_and_batches(backend):
    none = rasterize(torch.zeros(2, 0, 3), torch.zeros(0, 3, dtype=torch.int64), (3, 4), backend=backend)
    assert none.face_index.shape == (2, 3, 4)
    assert not none.covered.any()
    assert (none.depth == torch.inf).all()
    assert rasterize(torch.zeros(0, 3, 3), torch.tensor([[0, 1, 2]]), 4, backend=backend).depth.shape == (0, 4, 4)


@BOTH
def test_gradients_to_vertices_match_finite_differences(backend):
    vertices, faces = sphere(3, 5)
    generator = torch.Generator().manual_seed(0)
    vertices = (vertices + 0.05 * torch.randn(vertices.shape, generator=generator))[None].double()
    seen = rasterize(vertices, faces, (9, 11), backend=backend).face_index

    def surface(points):
        fragments = rasterize(points, faces, (9, 11), backend=backend)
        assert torch.equal(fragments.face_index, seen)
        return fragments.barycentric, fragments.depth[fragments.covered]

    assert torch.autograd.gradcheck(surface, vertices.requires_grad_(), eps=1e-7, atol=1e-5)


def test_recomputing_for_gradients_keeps_the_values():
    vertices, faces = soup(11)
    vertices[0, 3] = torch.nan
    plain = rasterize(vertices, faces, 20)
    followed = rasterize(vertices.clone().requires_grad_(), faces, 20)
    assert_same(followed, plain)
    followed.barycentric.square().sum().backward()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_low_precision_vertices_give_float32(dtype):
    vertices, faces = sphere()
    found = rasterize(vertices[None].to(dtype), faces, 16)
    assert found.depth.dtype == torch.float32
    assert found.covered.any()


def test_unknown_backend_lists_the_names():
    with pytest.raises(ReenactError, match="no rasteriser 'opengl'.*" + ".*".join(BACKENDS)):
        rasterize(torch.zeros(1, 3, 3), torch.tensor([[0, 1, 2]]), 4, backend="opengl")


@pytest.mark.parametrize(
    ("vertices", "faces", "size", "words"),
    [
        (torch.zeros(3, 3), torch.tensor([[0, 1, 2]]), 4, "vertices must be floats"),
        (torch.zeros(1, 3, 3).long(), torch.tensor([[0, 1, 2]]), 4, "vertices must be floats"),
        (torch.zeros(1, 3, 3), torch.tensor([0, 1, 2]), 4, "faces must be int64"),
        (torch.zeros(1, 3, 3), torch.tensor([[0, 1, 2]]).int(), 4, "faces must be int64"),
        (torch.zeros(1, 3, 3), torch.tensor([[0, 1, 3]]), 4, "faces name vertices 0 to 3, but there are 3"),
        (torch.zeros(1, 3, 3), torch.tensor([[0, 1, -1]]), 4, "faces name vertices -1"),
        (torch.zeros(1, 3, 3), torch.tensor([[0, 1, 2]]), (4, 0), "no pixels"),
    ],
)
def test_bad_input(vertices, faces, size, words):
    with pytest.raises(ValueError, match=words):
        rasterize(vertices, faces, size)


def test_changing_faces_in_place_is_noticed():
    faces = torch.tensor([[0, 1, 2]])
    rasterize(torch.zeros(1, 3, 3), faces, 4)
    faces[0, 0] = 9
    with pytest.raises(ValueError, match="faces name vertices"):
        rasterize(torch.zeros(1, 3, 3), faces, 4)
