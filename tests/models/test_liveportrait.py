"""LivePortrait's landmarks, losses and motion, beside what its official code computes."""

from dataclasses import replace

import pytest
import torch
from zoo import CASES, SIZE, portrait

from reenact.models.common.base import Transfer
from reenact.models.liveportrait.landmarks import GUIDED, guide_points, measure_openings
from reenact.models.liveportrait.losses import guide_loss
from reenact.models.liveportrait.motion import KEYPOINTS, POINTS_OF_REGION
from reenact.models.liveportrait.regions import cut_parts
from reenact.nn.euler import angles_of, rotation_of


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return CASES["liveportrait"].make().eval().requires_grad_(False).network


def test_openings_are_heights_over_widths():
    points = torch.zeros(68, 2)
    points[36], points[39], points[42], points[45] = torch.tensor([[0, 0], [10, 0], [20, 0], [30, 0]]).float()
    points[[37, 38], :] = torch.tensor([5.0, -2.0])
    points[[40, 41], :] = torch.tensor([5.0, 1.0])
    points[[43, 44, 46, 47], :] = torch.tensor([25.0, 0.0])
    points[48], points[54], points[62], points[66] = torch.tensor([[0, 20], [20, 20], [10, 18], [10, 23]]).float()
    torch.testing.assert_close(measure_openings(points), torch.tensor([0.3, 0.0, 0.25]), atol=1e-5, rtol=0)
    torch.testing.assert_close(measure_openings(7 * points), measure_openings(points), atol=1e-5, rtol=0)


def test_guided_keypoints_on_their_landmarks_cost_nothing():
    landmarks = torch.rand(2, 68, 2) * 64
    points = torch.zeros(2, KEYPOINTS, 3)
    points[:, list(GUIDED), :2] = guide_points(landmarks) / 32 - 1
    assert guide_loss(points, landmarks, 64).item() == pytest.approx(0, abs=1e-4)
    points[0, 19, 0] += 4 / 128  # four of 256 pixels
    assert guide_loss(points, landmarks, 64).item() == pytest.approx(10 * torch.tensor(3.0).log().item() / 40, rel=1e-3)
    assert set(POINTS_OF_REGION["eyes"]) <= set(GUIDED)
    assert set(POINTS_OF_REGION["lips"]) - {6} <= set(GUIDED)


def test_parts_of_pictures_lie_where_the_landmarks_are():
    landmarks = torch.full((1, 68, 2), 40.0)
    landmarks[0, 0], landmarks[0, 16] = torch.tensor([16.0, 40.0]), torch.tensor([64.0, 40.0])
    landmarks[0, 48], landmarks[0, 54] = torch.tensor([36.0, 50.0]), torch.tensor([44.0, 50.0])
    landmarks[0, 55:] = torch.tensor([40.0, 50.0])
    landmarks[0, 49:54] = torch.tensor([40.0, 50.0])
    image = torch.zeros(1, 3, 128, 128)
    image[..., 44:56, 34:46] = 1.0
    parts = cut_parts(image, landmarks)
    assert parts["face"].shape == (1, 3, 64, 64)
    assert parts["lip"].shape == (1, 3, 32, 32)
    assert parts["lip"].min() > 0.99
    assert 0 < parts["face"].mean() < 0.2


def test_rotations_of_the_probe_are_taken_apart_as_rows():
    rotation = rotation_of(torch.tensor([[20.0, -10.0, 5.0]]))
    angles = angles_of(rotation.mT, "rows")
    torch.testing.assert_close(rotation_of(angles, "rows"), rotation.mT, atol=1e-6, rtol=0)


@pytest.mark.parametrize("region", POINTS_OF_REGION)
@pytest.mark.parametrize("mode", ["absolute", "relative"])
def test_a_region_moves_its_keypoints_alone(network, region, mode):
    state, driving = network.encode(portrait(1, 0, "a")), network.read(portrait(3, 1, "b"))
    motion = network.retarget(state, driving, Transfer(mode, parts=(region,)), driving[:1])
    moved = (motion.expression != state.motion.expression).any(0).any(-1).nonzero().flatten().tolist()
    assert moved == sorted(POINTS_OF_REGION[region])
    for name in ("rotation", "translation", "scale"):
        assert torch.equal(getattr(motion, name), getattr(state.motion, name).expand_as(getattr(motion, name)))


@pytest.mark.parametrize(("setting", "field"), [("follow_eyes", "eye_offsets"), ("follow_lips", "lip_offsets")])
def test_eyes_and_lips_follow_the_driving_face(network, setting, field):
    state, driving = network.encode(portrait(1, 0, "a")), network.read(portrait(2, 1, "b"))
    before = network.config
    network.config = replace(before, **{setting: True})
    try:
        motion = network.retarget(state, driving, Transfer())
    finally:
        network.config = before
    assert getattr(motion, field).abs().max() > 0
    plain = network.retarget(state, driving, Transfer())
    assert getattr(plain, field).abs().max() == 0
    assert not torch.equal(network.place_keypoints(state, motion), network.place_keypoints(state, plain))


def test_only_open_lips_are_calmed(network):
    state, driving = network.encode(portrait(1, 0, "a")), network.read(portrait(2, 1, "b"))
    before = network.config
    network.config = replace(before, calm_lips=True)
    closed = replace(state, motion=replace(state.motion, openings=torch.zeros(1, 3)))
    try:
        moved = [network.retarget(s, driving, Transfer("relative")).calm_offsets.abs().max() for s in (state, closed)]
    finally:
        network.config = before
    assert moved[0] > 0
    assert moved[1] == 0


def test_stage_1_trains_neither_stitching_nor_openings():
    module = CASES["liveportrait"].make()
    trained = {name for group in module.generator_groups() for p in group["params"] for name in [id(p)]}
    assert not trained & {id(p) for p in module.network.stitching.parameters()}
    batch = portrait(2, 0, "a")
    assert module.train()(batch, batch).image.shape == (2, 3, SIZE, SIZE)
