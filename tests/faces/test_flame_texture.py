"""FLAME's texture space, from files in the official form: vertex colours by DECA's rule, and files that are others."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from faces.made_flame import VERTICES, made_arrays
from reenact.errors import ReenactError
from reenact.faces.flame import Flame
from reenact.faces.flame_texture import NUM_TEXTURE, read_vertex_texture
from reenact.faces.shading import DECA

SEAM = 7
"""A vertex with two UV coordinates."""


def write_template(path, coordinates):
    """Vertex i has coordinate i; `SEAM` has the last one too."""
    lines = [f"v {i} 0 0" for i in range(VERTICES)]
    lines += [f"vt {u:.6f} {v:.6f}" for u, v in coordinates]
    lines += [f"f {i + 1}/{i + 1} {i + 2}/{i + 2} {i + 3}/{i + 3}" for i in range(0, VERTICES - 2, 2)]
    lines += [f"f 1/1 2/2 {SEAM + 1}/{len(coordinates)}"]
    path.write_text("\n".join(lines))
    return path


def write_texture(path, side):
    """Blue grows to the right, green downwards, red is 51; direction k adds k to one channel."""
    along = np.arange(side, dtype=np.float32) * 255 / side
    mean = np.stack([np.broadcast_to(along, (side, side)), np.broadcast_to(along[:, None], (side, side))], -1)
    mean = np.concatenate([mean, np.full((side, side, 1), 51, np.float32)], -1)
    directions = np.zeros((side, side, 3, NUM_TEXTURE + 1), np.int8)
    for k in range(NUM_TEXTURE + 1):
        directions[..., k % 3, k] = k
    np.savez(path, mean=mean, tex_dir=directions)
    return path


@pytest.fixture(scope="module")
def coordinates():
    return np.random.default_rng(0).uniform(0.1, 0.9, (VERTICES + 1, 2)).round(6)


@pytest.fixture(scope="module")
def files(tmp_path_factory, coordinates):
    folder = tmp_path_factory.mktemp("texture")
    return write_texture(folder / "FLAME_texture.npz", 512), write_template(folder / "template.obj", coordinates)


@pytest.fixture(scope="module")
def flame(files):
    return Flame(made_arrays(), texture_files=files)


def test_a_vertex_has_the_colour_at_its_coordinates(flame, coordinates):
    u, v = coordinates[:VERTICES].T
    # Every second pixel of 512 stays: the bilinear sample at (u, v) is half a pixel of 256 before it.
    expected = np.stack([np.full(VERTICES, 0.2), 1 - v - 1 / 512, u - 1 / 512], -1)
    other = np.array([0.2, 1 - coordinates[-1, 1] - 1 / 512, coordinates[-1, 0] - 1 / 512])
    expected[SEAM] = (expected[SEAM] + other) / 2
    np.testing.assert_allclose(flame.albedo(torch.zeros(NUM_TEXTURE)), expected, atol=1e-4)


def test_directions_add_to_their_channels_in_red_green_blue(flame):
    texture = torch.zeros(2, 3, NUM_TEXTURE)
    texture[1, 2, 31] = 2.0  # 31 % 3 = 1: green; 32 % 3 = 2: stored as the last channel, red
    texture[1, 2, 32] = 1.0
    change = flame.albedo(texture)[1, 2] - flame.albedo(texture)[0, 0]
    torch.testing.assert_close(change, torch.tensor([32.0, 62.0, 0.0]).expand(VERTICES, 3) / 255)
    longer = torch.cat([texture, torch.full((2, 3, 5), 9.0)], -1)
    torch.testing.assert_close(flame.albedo(longer), flame.albedo(texture), rtol=0, atol=0)


def test_colours_are_the_albedo_under_decas_light(flame):
    params = replace(flame.neutral(2), texture=torch.randn(2, NUM_TEXTURE), light=torch.rand(2, 9, 3))
    expected = DECA.shade_albedo(flame.albedo(params.texture), flame.normals(params), params.light)
    torch.testing.assert_close(flame.colours(params), expected, rtol=0, atol=0)


def test_texture_moves_with_the_model_and_stays_out_of_checkpoints(flame):
    flame.albedo(torch.zeros(NUM_TEXTURE))
    assert flame.num_texture == NUM_TEXTURE
    assert not flame.state_dict()
    doubled = Flame(made_arrays(), texture_files=flame._texture_files).double()
    assert doubled.albedo(torch.zeros(NUM_TEXTURE, dtype=torch.float64)).dtype == torch.float64


def test_files_of_the_cache_are_found(files, tmp_path, monkeypatch):
    monkeypatch.setenv("REENACT_HOME", str(tmp_path))
    assert Flame(made_arrays()).num_texture == 0
    (tmp_path / "flame").mkdir()
    for path, name in zip(files, ("FLAME_texture.npz", "head_template_mesh.obj"), strict=True):
        (tmp_path / "flame" / name).symlink_to(path)
    assert Flame(made_arrays()).num_texture == NUM_TEXTURE


@pytest.mark.parametrize(
    ("mean", "directions", "sentence"),
    [
        ((100, 100, 3), (100, 100, 3, 50), "its mean has shape"),
        ((256, 256, 3), (256, 256, 3, 20), "its tex_dir has shape"),
        ((256, 256, 3), None, "damaged or not FLAME's texture space"),
    ],
)
def test_another_texture_is_refused(tmp_path, files, mean, directions, sentence):
    arrays = {"mean": np.zeros(mean, np.int8)} | ({"tex_dir": np.zeros(directions, np.int8)} if directions else {})
    np.savez(tmp_path / "texture.npz", **arrays)
    with pytest.raises(ReenactError, match=sentence):
        read_vertex_texture(tmp_path / "texture.npz", files[1], VERTICES)


def test_a_file_that_is_no_archive_is_refused(tmp_path, files):
    (tmp_path / "texture.npz").write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(ReenactError, match="damaged or not FLAME's texture space"):
        read_vertex_texture(tmp_path / "texture.npz", files[1], VERTICES)
    with pytest.raises(ReenactError, match="does not exist"):
        read_vertex_texture(tmp_path / "absent.npz", files[1], VERTICES)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("v 0 0 0\nvt 0 0\nf 1/1 1/1 1/1\n", "is not FLAME's template: it has 1 vertices"),
        ("v 0 0 0\nf 1 1 1\n", "no Wavefront file with UV coordinates"),
        ("vt a b\n", "no Wavefront file with UV coordinates"),
        ("", "is not FLAME's template: it has 0 vertices"),
    ],
)
def test_another_template_is_refused(tmp_path, files, text, sentence):
    (tmp_path / "other.obj").write_text(text)
    with pytest.raises(ReenactError, match=sentence):
        read_vertex_texture(files[0], tmp_path / "other.obj", VERTICES)
