"""LivePortrait's landmarks, losses and motion, beside what its official code computes."""

from dataclasses import replace

import pytest
import pytorch_lightning as pl
import torch
from zoo import CASES, SIZE, Pairs, loader, pair, portrait, trainer

from reenact.errors import ReenactError
from reenact.models.common.base import Transfer
from reenact.models.liveportrait.landmarks import GUIDED, guide_points, measure_openings
from reenact.models.liveportrait.losses import guide_loss, shape_loss
from reenact.models.liveportrait.module import LivePortraitModule
from reenact.models.liveportrait.motion import KEYPOINTS, POINTS_OF_REGION
from reenact.models.liveportrait.motion_extractor import MotionExtractor
from reenact.models.liveportrait.optimisation import LivePortraitOptimisation
from reenact.models.liveportrait.regions import cut_parts, mask_features, mask_shoulders
from reenact.models.liveportrait.second_stage import RetargetingLosses, compute_retargeting_losses, retarget_portraits
from reenact.nn.euler import angles_of, rotation_of
from reenact.nn.whole_batch import BatchDraws


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


def test_the_shape_of_features_does_not_care_where_they_are():
    landmarks = torch.rand(2, 68, 2) * 64
    points = torch.zeros(2, KEYPOINTS, 3)
    points[:, list(GUIDED), :2] = guide_points(landmarks) / 32 - 1
    assert shape_loss(points, landmarks, 64).item() == pytest.approx(0, abs=1e-4)
    assert shape_loss(points + 0.3, landmarks, 64).item() == pytest.approx(0, abs=1e-4)
    assert guide_loss(points + 0.3, landmarks, 64) > 1
    points[:, 19, 1] += 0.1
    assert shape_loss(points, landmarks, 64) > 0.5


def test_heads_read_where_learned_maps_lie():
    torch.manual_seed(0)
    extractor = MotionExtractor(KEYPOINTS, [1], [8], places=4)
    with torch.no_grad():
        extractor.fc_kp.weight[:, :8] = 0.0  # of the pooled vector, which a shift hardly changes
    image = torch.zeros(1, 3, 64, 64)
    image[..., 16:24, 8:16] = 1.0
    before, after = (extractor(picture).canonical for picture in (image, image.roll(32, -1)))
    assert (after - before).abs().max() > 0.01


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


@pytest.fixture(scope="module")
def first_stage():
    """The network of a stage 1: its stitching and openings are fresh."""
    return LivePortraitModule(CASES["liveportrait"].make().network.config).eval().requires_grad_(False).network


@pytest.mark.parametrize("name", ["eyes.opening", "lips.opening"])
def test_openings_of_a_stage_1_checkpoint_are_refused(network, first_stage, name):
    refusal = rf"{name}: .* stage 1; train it by reenact fit --model liveportrait_retargeting --weights CHECKPOINT"
    state = first_stage.encode(portrait(1, 0, "a"))
    with pytest.raises(ReenactError, match=refusal):
        first_stage.set_control(state, state.motion, name, 0.5)
    assert first_stage.controls()[name].effect.endswith("needs stage 2")
    assert not network.controls()[name].effect.endswith("needs stage 2")


@pytest.mark.parametrize("setting", ["follow_eyes", "first_eyes", "follow_lips", "calm_lips"])
def test_settings_that_need_stage_2_are_refused_without_it(first_stage, monkeypatch, setting):
    monkeypatch.setattr(first_stage, "config", replace(first_stage.config, **{setting: True}))
    state = first_stage.encode(portrait(1, 0, "a"))
    with pytest.raises(ReenactError, match=rf"network\.{setting}: .*liveportrait_retargeting"):
        first_stage.retarget(state, state.motion, Transfer("relative"))


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


def test_the_motion_extractor_may_be_trained_alone_at_first(tmp_path):
    module, changed = CASES["liveportrait"].make(), []
    module.optimisation = replace(module.optimisation, extractor_steps=0.5)
    weights = [{name: value.clone() for name, value in module.state_dict().items()}]

    class Note(pl.Callback):
        def on_train_batch_end(self, run, module, outputs, batch, batch_idx):
            weights.append({name: value.clone() for name, value in module.state_dict().items()})
            before, after = weights[-2:]
            changed.append(
                {name.split(".")[1] for name, value in after.items() if not torch.equal(value, before[name])}
            )

    trainer(tmp_path, max_steps=4, limit_val_batches=0, callbacks=[Note()]).fit(module, Pairs(4))
    assert changed[:2] == [{"motion_extractor"}] * 2
    assert all({"motion_extractor", "appearance", "warping", "decoder"} <= parts for parts in changed[2:])
    with pytest.raises(
        ReenactError, match=r"extractor_steps 0\.5 is a share of --trainer\.max_steps, which is not set"
    ):
        trainer(tmp_path, max_steps=-1, max_epochs=1, limit_val_batches=0).fit(module, Pairs(2))
    with pytest.raises(ReenactError, match=r"extractor_steps -1 must be at least 0"):
        LivePortraitOptimisation(extractor_steps=-1)


def test_keypoints_are_placed_as_for_a_picture(network):
    module, batch = CASES["liveportrait"].make(), pair(4)
    module.network.load_state_dict(network.state_dict())
    placed = module.training_stage.run_extractor(module.network, batch)
    drawn = module.train()(batch.source, batch.driving)
    for name in ("canonical", "source_keypoints", "keypoints"):
        torch.testing.assert_close(getattr(placed, name), getattr(drawn, name))
    torch.testing.assert_close(placed.reading.angles, drawn.reading.angles)


def test_masks_lie_where_the_landmarks_are():
    landmarks = torch.full((1, 68, 2), 16.0)
    landmarks[0, 48], landmarks[0, 54] = torch.tensor([10.0, 20.0]), torch.tensor([20.0, 25.0])
    landmarks[0, 49:54], landmarks[0, 55:] = landmarks[0, 48], landmarks[0, 54]
    lips = mask_features(landmarks, 32)["lips"]
    assert lips[0, 0, 18:27, 8:22].all()
    assert lips.sum() == 9 * 14
    chin = landmarks.clone()
    chin[0, 8, 1] = 24.0
    shoulders = mask_shoulders((landmarks, chin), 0.5, 32)
    assert not shoulders[0, 0, :29].any()  # 25 + 0.5 (25 - 16): the lowest of the starts
    assert shoulders[0, 0, 30:].all()


@pytest.fixture(scope="module")
def second():
    torch.manual_seed(0)
    return CASES["liveportrait_retargeting"].make()


def test_stage_2_trains_the_small_networks_alone(tmp_path):
    module = CASES["liveportrait_retargeting"].make()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    run = trainer(tmp_path, max_steps=2, limit_val_batches=1)
    run.fit(module, Pairs(2))
    changed = {name for name, value in module.state_dict().items() if not torch.equal(value, before[name])}
    assert {name.split(".")[2] for name in changed} == {"stitching", "eyes", "lips"}
    assert all(name.startswith("network.stitching.") for name in changed)


class FixedLandmarks:
    """A detector that finds the same landmarks in every picture."""

    def __init__(self, points):
        self.points = points

    def locate(self, image):
        return None

    def read(self, image, region):
        return self.points.expand(len(image), -1, -1)


def small_faces():
    """Pairs whose landmarks lie in the middle of the picture."""
    batch = pair(4)
    for side in (batch.source, batch.driving):
        side.landmarks = side.landmarks * 0.4 + 6
    return batch


def measure_losses(module, batch, detector):
    draws = BatchDraws(torch.Generator().manual_seed(0))
    result = retarget_portraits(module.network, batch, draws, module.training_stage.weights)
    losses = compute_retargeting_losses(batch, result, module.training_stage.weights, detector)
    return result, {name: value.item() for name, value in losses.items()}


def test_stage_2_keeps_what_should_stay(second, tmp_path):
    batch = small_faces()
    first = measure_losses(second, batch, FixedLandmarks(torch.rand(68, 2)))[1]
    stage = second.training_stage
    stage.weights = replace(stage.weights, opening=0.0, offsets=0.0)
    trainer(tmp_path, max_steps=30, limit_val_batches=0).fit(second, loader([batch]))
    last = measure_losses(second, batch, FixedLandmarks(torch.rand(68, 2)))[1]
    for name in ("shoulders", "rest_eyes", "rest_lips"):
        assert 0 < last[name] < 0.9 * first[name], name


def test_openings_of_results_are_those_that_were_asked_for(second):
    points = torch.rand(68, 2)
    left, right, lips = measure_openings(points)
    second.training_stage.weights = replace(second.training_stage.weights, opening=1.0)
    result, losses = measure_losses(second, small_faces(), FixedLandmarks(points))
    wanted = ((left + right) / 2 - result.eye_target).abs().mean()
    assert losses["opening_eyes"] == pytest.approx(wanted.item(), rel=1e-4)
    assert losses["opening_lips"] == pytest.approx((lips - result.lip_target).abs().mean().item(), rel=1e-4)
    assert result.eye_target.min() >= 0
    assert result.eye_target.max() <= 0.8


def test_stage_2_stitches_the_motion_of_other_people(second):
    batch = small_faces()
    result, _ = measure_losses(second, batch, FixedLandmarks(torch.rand(68, 2)))
    network = second.network
    state, driving = network.encode(batch.source), network.read(batch.driving)
    others = replace(driving[torch.tensor([3, 0, 1, 2])], scale=state.motion.scale)
    places = others.keypoints(state.canonical)
    stitched = places + network.stitching.stitch_offsets(state.keypoints, places)
    torch.testing.assert_close(result.image, network.render(state, stitched).image)


def test_a_weight_of_stage_2_below_0_is_refused():
    module = LivePortraitModule(CASES["liveportrait"].make().network.config, retargeting=RetargetingLosses(rest=-1.0))
    with pytest.raises(ReenactError, match=r"--model\.retargeting\.rest -1 is below 0: give 0 or more"):
        module.check_losses()
