"""What LivePortrait's tiny preset has beside the paper: a moved source that is painted on, terms, more guidance."""

from dataclasses import replace

import pytest
import torch
from zoo import CASES, SIZE, pair

from reenact.errors import ReenactError
from reenact.faces.registry import load_face_model
from reenact.faces.vector import head_rotation
from reenact.models.liveportrait.first_stage import LivePortraitLosses, _tell_angles
from reenact.models.liveportrait.landmarks import GUIDED, OTHERS, guide_points, measure_guided_openings
from reenact.models.liveportrait.losses import guide_loss, place_loss
from reenact.models.liveportrait.module import LivePortraitModule
from reenact.models.liveportrait.motion import KEYPOINTS
from reenact.models.liveportrait.motion_extractor import MotionExtractor
from reenact.models.liveportrait.network import LivePortrait
from reenact.models.liveportrait.painting import SourcePainter
from reenact.models.liveportrait.regions import cut_eyes
from reenact.models.liveportrait.second_stage import choose_drivers, compute_retargeting_losses, retarget_portraits
from reenact.nn.euler import angles_of, rotation_of
from reenact.nn.whole_batch import BatchDraws


def build_module(losses=None):
    config = replace(CASES["liveportrait"].make().network.config, painting=8, upscale=1, places=24)
    torch.manual_seed(0)
    return LivePortraitModule(config, losses=losses or LivePortraitLosses(perceptual="pixels", head_pose=0.0, gan=0.0))


def test_a_fresh_painter_leaves_a_source_that_does_not_move():
    network, source = build_module().network.eval(), pair(2).source
    with torch.no_grad():
        state = network.encode(source)
        result = network.render(state, state.keypoints)
    torch.testing.assert_close(result.moved, source.image, atol=1e-5, rtol=0)
    torch.testing.assert_close(result.image, source.image, atol=0.011, rtol=0)  # 1 becomes 0.99


def test_neighbouring_keypoints_part_where_the_dense_motion_has_one_place():
    painter = SourcePainter(21, features=4, channels=3, width=8)
    image = torch.linspace(-1, 1, 64).view(1, 1, 64, 1).expand(1, 3, 64, 64)
    source, driving = torch.zeros(1, 21, 3), torch.zeros(1, 21, 3)
    source[0, :, 0] = driving[0, :, 0] = 5.0  # far beyond the picture
    source[0, [17, 19]] = torch.tensor([[0.0, -0.02, 0.0], [0.0, 0.02, 0.0]])
    driving[0, [17, 19]] = torch.tensor([[0.0, -0.06, 0.0], [0.0, 0.06, 0.0]])
    with torch.no_grad():
        painter.log_reach.fill_(-4.0)
        painter.strength.fill_(6.0)
        moved = painter.move(image, torch.zeros(1, 4, 16, 16), source, driving)
    rows = moved[0, 0, :, 32] - image[0, 0, :, 32]
    assert rows[29] > 0.015  # the upper lip shows what was below
    assert rows[34] < -0.015
    assert rows[[2, 61]].abs().max() < 1e-3  # nothing moves far away


def test_the_border_goes_on_beyond_the_source():
    painter = SourcePainter(21, features=4, channels=3, width=8)
    source, driving = torch.zeros(1, 21, 3), torch.zeros(1, 21, 3)
    driving[..., 0] = 0.5
    with torch.no_grad():
        painter.log_reach.fill_(2.0)
        moved = painter.move(torch.ones(1, 3, 64, 64), torch.zeros(1, 4, 16, 16), source, driving)
    assert moved.min() > 0.99


def test_strokes_of_the_decoder_change_the_moved_source():
    network, source = build_module().network.eval(), pair(2).source
    with torch.no_grad():
        network.painter.colours.bias.fill_(0.5)
        state = network.encode(source)
        result = network.render(state, state.keypoints)
    assert (result.image > result.moved)[result.moved < 0.9].all()


def test_a_folded_network_paints_the_same_picture():
    network, batch = build_module().network.eval(), pair(2)
    torch.nn.init.normal_(network.painter.colours.weight, std=0.03)
    with torch.no_grad():
        pictures = [part(batch.source, batch.driving).image for part in (network, network.folded())]
    torch.testing.assert_close(*pictures, atol=1e-4, rtol=0)


def test_losses_look_at_the_moved_source_where_they_are_told_to():
    terms = []
    for factor in (0.0, 0.5):
        losses = LivePortraitLosses(perceptual="pixels", head_pose=0.0, gan=0.0, moved=factor, lips=3.0)
        module, batch = build_module(losses).train(), pair(2)
        module.load_losses()
        result, draws = module.network(batch.source, batch.driving), BatchDraws(torch.Generator().manual_seed(0))
        terms.append(module.training_stage.generator_losses(module.network, module.discriminator, batch, result, draws))
    assert terms[1].keys() - terms[0].keys() == {"moved", "moved_face", "moved_lip"}
    sum(terms[1].values()).backward()
    assert module.network.painter.log_reach.grad.abs().max() > 0


def test_the_term_of_the_lips_has_a_factor():
    values = []
    for factor in (1.0, 3.0):
        module, batch = (
            build_module(LivePortraitLosses(perceptual="pixels", head_pose=0.0, gan=0.0, lips=factor)),
            pair(2),
        )
        module.load_losses()
        result = module.eval().network(batch.source, batch.driving)
        draws = BatchDraws(torch.Generator().manual_seed(0))
        losses = module.training_stage.generator_losses(module.network, module.discriminator, batch, result, draws)
        values.append((losses["reconstruction_lip"].item(), losses["reconstruction_face"].item()))
    assert values[1][0] == pytest.approx(3 * values[0][0], rel=1e-5)
    assert values[1][1] == pytest.approx(values[0][1], rel=1e-5)


def test_pictures_of_twice_the_size_are_not_painted():
    config = CASES["liveportrait"].make().network.config
    with pytest.raises(ReenactError, match=r"network\.painting 8 .* network\.upscale 1, not 2"):
        LivePortrait(replace(config, painting=8, upscale=2))


@pytest.mark.parametrize(("own", "drivers"), [(0.0, [3, 0, 1, 2]), (0.5, [0, 1, 1, 2]), (1.0, [0, 1, 2, 3])])
def test_a_share_of_the_heads_moves_as_its_own(own, drivers):
    assert choose_drivers(4, own).tolist() == drivers


def test_every_keypoint_is_guided_once():
    assert sorted([*GUIDED, *OTHERS]) == list(range(KEYPOINTS))
    landmarks = torch.rand(2, 68, 2) * 64
    points = torch.zeros(2, KEYPOINTS, 3)
    points[:, list(OTHERS), :2] = guide_points(landmarks, OTHERS) / 32 - 1
    assert guide_loss(points, landmarks, 64, OTHERS).item() == pytest.approx(0, abs=1e-4)
    assert guide_loss(points, landmarks, 64) > 1
    points[:, 7] += 0.1
    assert guide_loss(points, landmarks, 64, OTHERS) > 0.1


def test_learned_places_on_the_landmarks_of_all_keypoints_cost_nothing():
    landmarks = torch.rand(2, 68, 2) * 64
    guided = GUIDED | OTHERS
    places = torch.rand(2, 30, 2)
    places[:, :KEYPOINTS] = torch.stack([guide_points(landmarks, {0: guided[k]})[:, 0] for k in range(KEYPOINTS)], 1)
    places[:, :KEYPOINTS] = places[:, :KEYPOINTS] / 32 - 1
    assert place_loss(places, landmarks, 64).item() == pytest.approx(0, abs=1e-4)
    places[:, 20] += 0.1
    assert place_loss(places, landmarks, 64) > 0.1


def test_other_keypoints_are_guided_where_they_are_told_to():
    terms = []
    for weight in (0.0, 1.0):
        losses = LivePortraitLosses(perceptual="none", head_pose=0.0, guide_others=weight, guide_places=weight)
        module, batch = build_module(losses), pair(2)
        placed = module.training_stage.run_extractor(module.network, batch)
        draws = BatchDraws(torch.Generator().manual_seed(0))
        terms.append(module.training_stage.generator_losses(module.network, module.discriminator, batch, placed, draws))
    assert terms[1].keys() - terms[0].keys() == {"guide_others", "guide_places"}


def test_heads_read_what_is_seen_where_learned_maps_lie():
    torch.manual_seed(0)
    extractor = MotionExtractor(KEYPOINTS, [1], [8], places=4, place_channels=2)
    with torch.no_grad():
        extractor.fc_kp.weight[:, : 8 + 2 * 4] = 0.0  # of the pooled vector and of the places
    dark, light = torch.zeros(1, 3, 64, 64), torch.ones(1, 3, 64, 64)
    dark[..., 16:24, 8:16] = light[..., 16:24, 8:16] = 0.5
    assert (extractor(dark).canonical - extractor(light).canonical).abs().max() > 0.01


def test_eyes_are_cut_where_the_landmarks_are():
    landmarks = torch.zeros(1, 68, 2)
    landmarks[0, 36:42] = torch.tensor([[10.0, 20], [13, 19], [15, 19], [18, 20], [15, 21], [13, 21]])
    landmarks[0, 42:48] = torch.tensor([[40.0, 20], [43, 19], [45, 19], [48, 20], [45, 21], [43, 21]])
    image = torch.zeros(1, 3, 64, 64)
    image[..., 14:26, 8:20] = 1.0
    left, right = cut_eyes(image, landmarks)
    assert left.shape == (3, 16, 16)
    assert left.min() > 0.99
    assert right.max() == 0


def test_openings_of_guided_keypoints_are_heights_over_widths():
    landmarks = torch.zeros(1, 68, 2)
    landmarks[0, [36, 39, 42, 45, 48, 54], 0] = torch.tensor([0.0, 8.0, 20.0, 28.0, 4.0, 20.0])
    points = torch.zeros(1, KEYPOINTS, 3)
    points[0, [13, 16, 19], 1] = torch.tensor([2.0, 4.0, -8.0]) / 32
    torch.testing.assert_close(
        measure_guided_openings(points, landmarks, 64), torch.tensor([[0.25, 0.5, -0.5]]), atol=1e-4, rtol=0
    )


class FixedAngles:
    """A teacher of the kind of the probe that tells the same angles of every picture."""

    kind = "probe"

    def __init__(self, rotation):
        flip = torch.tensor([1.0, -1.0, 1.0])
        self.degrees = angles_of(flip[:, None] * rotation * flip)

    def __call__(self, image):
        return self.degrees


def test_angles_of_the_teacher_turn_landmarks_as_the_head_turns():
    head = load_face_model("head")
    front = replace(head.neutral(1), camera=head.default_camera()[None])
    turned = replace(front, global_pose=torch.tensor([[0.2, -0.4, 0.3]]))
    depth_towards_viewer = torch.tensor([1.0, 1.0, -1.0])
    canonical, places = (
        head.landmarks68(head.project(head.vertices(params), params.camera)) * depth_towards_viewer
        for params in (front, turned)
    )
    rotation = rotation_of(_tell_angles(FixedAngles(head_rotation(turned)), None), "rows")
    assert (places - canonical).abs().max() > 0.3
    distance = canonical @ rotation - places
    torch.testing.assert_close(distance, distance.mean(1, keepdim=True).expand_as(distance), atol=1e-4, rtol=0)


class FixedLandmarks:
    """A detector that finds the same landmarks in every picture."""

    def locate(self, image):
        return None

    def read(self, image, region):
        return torch.linspace(0, 1, 136).view(1, 68, 2).expand(len(image), -1, -1)


def test_guided_keypoints_are_opened_where_they_are_told_to():
    batch = pair(4)
    for side in (batch.source, batch.driving):
        side.landmarks = side.landmarks * 0.4 + 6
    module = CASES["liveportrait_retargeting"].make()
    terms = []
    for weight in (0.0, 2.0):
        weights = replace(module.training_stage.weights, guided_opening=weight)
        result = retarget_portraits(module.network, batch, BatchDraws(torch.Generator().manual_seed(0)), weights)
        terms.append(compute_retargeting_losses(batch, result, weights, FixedLandmarks()))
    assert terms[1].keys() - terms[0].keys() == {"guided_opening"}
    eyes, lips = (
        measure_guided_openings(result.keypoints + offsets, batch.source.landmarks, SIZE)
        for offsets in (result.eye_offsets, result.lip_offsets)
    )
    off = (eyes[:, :2] - result.eye_target).abs().mean() + (lips[:, 2:] - result.lip_target).abs().mean()
    assert terms[1]["guided_opening"].item() == pytest.approx(2 * off.item(), rel=1e-4)


def test_the_face_that_stitching_changes_is_compared_with_the_unstitched_one():
    module, batch = CASES["liveportrait_retargeting"].make(), pair(2)
    draws = BatchDraws(torch.Generator().manual_seed(0))
    weights = replace(module.training_stage.weights, stitched_face=3.0, shoulder_gap=0.0)
    result = retarget_portraits(module.network, batch, draws, weights)
    assert not torch.allclose(result.unstitched, result.rebuilt)
    side = result.image.shape[-1]
    change = torch.zeros_like(result.image)
    change[..., side // 2, :] = 0.4
    moved = replace(result, image=result.unstitched + change)
    faces = replace(
        batch,
        source=replace(batch.source, landmarks=torch.full_like(batch.source.landmarks, side - 1.0)),
        driving=replace(batch.driving, landmarks=torch.full_like(batch.driving.landmarks, side - 1.0)),
    )
    rows = side - 1  # the last row is below the chin
    terms = compute_retargeting_losses(faces, moved, weights, FixedLandmarks())
    assert terms["stitched_face"].item() == pytest.approx(3 * 0.2**2 / rows, rel=1e-3)
    changed = replace(result, image=result.unstitched + change.roll(side // 2 - 1, 2))
    assert compute_retargeting_losses(faces, changed, weights, FixedLandmarks())["stitched_face"].item() == 0
