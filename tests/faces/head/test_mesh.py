"""The shipped mesh: symmetric, consistently wound, manifold, of sound triangles, and reproduced by its script."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch

from reenact.errors import ReenactError
from reenact.faces.head import Head
from reenact.faces.head.build import FILE, STEP, build_arrays


def _edges(faces: np.ndarray) -> np.ndarray:
    return np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])


def _part(head: Head, *names: str) -> np.ndarray:
    numbers = [head.part_names.index(name) for name in names]
    return head.faces.numpy()[np.isin(head.part.numpy(), numbers)]


def test_size(head: Head) -> None:
    assert 5000 < len(head.mean_vertices) < 6000
    assert FILE.stat().st_size < 2_000_000
    assert set(head.faces.unique().tolist()) == set(range(len(head.mean_vertices)))


def test_mirrors_itself_exactly(head: Head) -> None:
    flip = head.flip_permutation
    assert torch.equal(flip[flip], torch.arange(len(flip)))
    assert torch.equal(head.mean_vertices[flip] * torch.tensor([-1.0, 1, 1]), head.mean_vertices)
    # Teeth and tongue are grids whose cells are all split the same way.
    paired = torch.from_numpy(_part(head, *(set(head.part_names) - {"upper_teeth", "lower_teeth", "tongue"})))
    faces = {tuple(sorted(face)) for face in paired.tolist()}
    assert {tuple(sorted(face)) for face in flip[paired].tolist()} == faces


def test_symmetric_identities_and_mirrored_expressions(head: Head) -> None:
    mirror = head.basis[head.flip_permutation] * torch.tensor([-1.0, 1, 1])[:, None]
    aside = {"nose_aside", "mouth_aside", "jaw_aside", "eye_unlevel", "brow_unlevel"}
    for i, name in enumerate(head.shape_names):
        same = bool((mirror[..., i] - head.basis[..., i]).abs().max() < 1.1 * STEP)
        assert same == (name not in aside), name
    for i, name in enumerate(head.expression_names):
        other = name.replace("_left", "_right") if "_left" in name else name.replace("_right", "_left")
        partner = head.num_shape + head.expression_names.index(other)
        difference = mirror[..., head.num_shape + i] - head.basis[..., partner]
        assert difference.abs().max() < 1.1 * STEP, name


def test_every_edge_has_one_face_a_side(head: Head) -> None:
    directed = Counter(map(tuple, _edges(head.faces.numpy()).tolist()))
    assert max(directed.values()) == 1


def test_skin_has_one_opening_at_the_neck(head: Head) -> None:
    faces = _part(head, "skin", "lips", "lids", "mouth_bag")
    directed = set(map(tuple, _edges(faces).tolist()))
    open_edges = np.array([edge for edge in directed if edge[::-1] not in directed])
    # What is open: the neck's end, and the two loops that the lids tuck under the eyeballs.
    place = head.mean_vertices.numpy()[open_edges[:, 0]]
    neck = place[:, 1] < -0.14
    eyes = np.linalg.norm(np.abs(place) - head.joints[3].numpy(), axis=1) < 0.014
    assert (neck | eyes).all()
    assert neck.any()
    assert eyes.any()


@pytest.mark.parametrize("part", ["skin", "left_eyeball", "right_eyeball", "ears", "upper_teeth", "lower_teeth"])
def test_faces_look_outwards(head: Head, part: str) -> None:
    corners = head.mean_vertices.numpy()[_part(head, part)]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    middle = corners.mean(1)
    side = np.sign(middle[:, :1]) * [1, 0, 0]
    inside = {
        "skin": np.array([0.0, 0.0, 0.0]),
        "left_eyeball": head.joints[3].numpy(),
        "right_eyeball": head.joints[4].numpy(),
        "ears": side * 0.06 + [0, 0.013, -0.01],
        "upper_teeth": np.array([0.0, -0.03, 0.05]),
        "lower_teeth": np.array([0.0, -0.06, 0.05]),
    }[part]
    outwards = (normal * (middle - inside)).sum(1)
    share = 0.6 if part.endswith("teeth") else 0.9  # the teeth's backs look inwards
    assert outwards[outwards > 0].sum() > share * np.abs(outwards).sum()


def test_triangles_are_sound(head: Head) -> None:
    corners = head.mean_vertices.numpy()[head.faces.numpy()]
    sides = np.linalg.norm(corners - np.roll(corners, -1, 1), axis=2)
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 2
    quality = 4 * np.sqrt(3) * area / (sides**2).sum(1)
    skin = head.part.numpy() == head.part_names.index("skin")
    assert quality[skin].min() > 0.1
    assert np.quantile(quality[skin], 0.05) > 0.5
    assert quality.min() > 0.02
    assert sides.max() < 0.03


def test_regions(head: Head) -> None:
    for name in head.region_names:
        mask = head.region(name)
        assert mask.dtype == torch.bool
        assert 0 < mask.sum() < len(mask), name
    for name in ("face", "jaw", "neck", "eyes", "scalp", "brows", "beard", "teeth", "tongue", "ears", "lips"):
        head.region(name)
    overlap = head.region("face") & head.region("scalp") | head.region("face") & head.region("neck")
    assert not overlap.any()
    left, right = head.region("left_brow"), head.region("right_brow")
    assert torch.equal(left[head.flip_permutation], right)
    assert (head.mean_vertices[left, 0] > 0).all()
    with pytest.raises(ReenactError, match="no region 'nostril'"):
        head.region("nostril")


def test_script_reproduces_the_file() -> None:
    built = build_arrays()
    with np.load(FILE) as shipped:
        assert set(shipped.files) == set(built)
        for name, value in built.items():
            if value.dtype.kind == "f":
                np.testing.assert_allclose(value, shipped[name], atol=1e-6, err_msg=name)
            elif name.endswith("basis"):
                assert np.abs(value.astype(int) - shipped[name]).max() <= 1, name
            else:
                np.testing.assert_array_equal(value, shipped[name], err_msg=name)
