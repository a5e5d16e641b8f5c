"""Portraits collate, move, index and pair without method-specific code."""

from dataclasses import fields

import pytest
import torch

from reenact.faces.params import FaceParams
from reenact.faces.portrait import Portrait, PortraitPair


def make_params(*leading: int) -> FaceParams:
    widths = {"shape": 5, "expression": 4, "global_pose": 3, "neck_pose": 3, "jaw_pose": 3, "eye_pose": 6, "camera": 3}
    return FaceParams(**{name: torch.randn(*leading, width) for name, width in widths.items()})


def make_portrait(name: str, identity: str = "a") -> Portrait:
    return Portrait(
        image=torch.rand(3, 8, 8), params=make_params(), landmarks=torch.rand(68, 2), identity=[identity], clip=[name]
    )


def test_stack_adds_the_batch_dimension_and_joins_names():
    batch = Portrait.stack([make_portrait("x"), make_portrait("y")])
    assert batch.image.shape == (2, 3, 8, 8)
    assert batch.params is not None
    assert batch.params.shape.shape == (2, 5)
    assert batch.params.texture is None
    assert batch.clip == ["x", "y"]


def test_index_undoes_stack():
    items = [make_portrait("x"), make_portrait("y")]
    second = Portrait.stack(items)[1]
    assert torch.equal(second.image, items[1].image)
    assert torch.equal(second.params.jaw_pose, items[1].params.jaw_pose)
    assert second.clip == ["y"]


def test_cat_keeps_order():
    batch = Portrait.stack([make_portrait(str(i)) for i in range(3)])
    again = Portrait.cat([batch[:1], batch[1:]])
    assert torch.equal(again.image, batch.image)
    assert again.clip == batch.clip


def test_map_reaches_nested_tensors():
    moved = Portrait.stack([make_portrait("x")]).map(lambda tensor: tensor.double())
    assert moved.image.dtype == torch.float64
    assert moved.params.camera.dtype == torch.float64


def test_mixed_presence_is_refused():
    with_params, without = make_portrait("x"), make_portrait("y")
    without.params = None
    with pytest.raises(ValueError, match="params"):
        Portrait.stack([with_params, without])


@pytest.mark.parametrize(("driver", "same"), [("a", True), ("b", False)])
def test_a_pair_knows_whether_the_truth_is_known(driver: str, same: bool):
    pair = PortraitPair(Portrait.stack([make_portrait("x", "a")]), Portrait.stack([make_portrait("y", driver)]))
    assert pair.same_identity is same
    assert [field.name for field in fields(pair.to("cpu"))] == ["source", "driving", "around"]
