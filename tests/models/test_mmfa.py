"""MMFA: eq. (5), its parts, its losses."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from tiny import tiny
from zoo import CASES, pair, portrait

from reenact.data.synthetic.clips import SyntheticClips
from reenact.errors import ReenactError
from reenact.faces.portrait import Portrait
from reenact.models.common.base import Transfer
from reenact.models.common.keypoints import DiscriminatorConfig
from reenact.models.mmfa.estimators import AffineEstimator, AffineMaps, ExpressionMaps, MMFAConfig
from reenact.models.mmfa.losses import (
    GROUPS,
    GUIDES,
    MESH,
    canonical_consistency,
    compute_equivariance,
    expression_invariance,
    guide_changes,
    guide_distance,
    landmark_distance,
    relative_invariance,
    shake_images,
)
from reenact.models.mmfa.module import MMFALosses, MMFAModule
from reenact.models.mmfa.network import FaceMotion
from reenact.nn.euler import rotation_of
from reenact.nn.frozen import Frozen
from reenact.nn.landmark_detector import DETECTOR_ASSETS, LandmarkDetector
from reenact.nn.whole_batch import BatchDraws
from reenact.runs import presets


def test_keypoints_of_eq_5(parity):
    tensors = load_file(parity / "face_vid2vid.safetensors")
    rotation = rotation_of(tensors["input/rotation/yaw_pitch_roll_deg"])
    motion = FaceMotion(rotation, tensors["input/mmfa/f"].view(-1, 1), tensors["input/mmfa/t"], torch.zeros(5, 1))
    points = motion.keypoints(tensors["input/mmfa/canonical"], tensors["input/mmfa/delta"])
    torch.testing.assert_close(points, tensors["output/mmfa/keypoints"], atol=1e-5, rtol=0)
    still = FaceMotion(torch.eye(3).expand(5, 3, 3), motion.scale, torch.zeros(5, 2), motion.expression)
    neutral = still.keypoints(tensors["input/mmfa/canonical"], torch.zeros(5, 15, 3))
    torch.testing.assert_close(neutral, tensors["output/mmfa/neutral"], atol=1e-5, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("part", ["pose", "scale", "translation", "expression"])
def test_one_part_alone(part):
    torch.manual_seed(0)
    network = CASES["mmfa"].make().eval().network
    for head in (network.affine.scale, network.affine.translation):
        torch.nn.init.normal_(head.weight)  # they start at the same values for every face
    state = network.encode(portrait(1, 0, "a"))
    driving = network.read(portrait(3, 1, "b"))
    moved = network.retarget(state, driving, Transfer(parts=(part,)))
    field = {"pose": "rotation"}.get(part, part)
    for name in ("rotation", "scale", "translation", "expression"):
        ours, theirs = getattr(moved, name), getattr(driving if name == field else state.motion, name)
        assert torch.equal(ours, theirs.expand_as(ours)), name
    together = network.retarget(state, driving, Transfer(mode="pose"))
    assert torch.equal(together.translation, driving.translation)
    assert torch.equal(together.expression[0], state.motion.expression[0])


@torch.no_grad()
@pytest.mark.parametrize("estimator", [AffineEstimator(8, [8, 8, 16, 16]), AffineMaps([8, 16])])
def test_scale_and_translation_start_at_one_and_zero(estimator):
    scale, translation = estimator.eval()((portrait(3, 0, "a").image + 1) / 2)
    torch.testing.assert_close(scale, torch.ones(3, 1))
    assert translation.shape == (3, 2)
    assert not translation.any()


@torch.no_grad()
def test_maps_tell_places_before_any_training():
    """A linear reading of untrained maps follows a blot that wanders; no borders are needed for that."""
    torch.manual_seed(0)
    estimator = AffineMaps([8, 16]).eval()
    images = torch.zeros(64, 3, 64, 64)
    corners = torch.randint(8, 44, (64, 2))
    for image, (x, y) in zip(images, corners.tolist(), strict=True):
        image[:, y : y + 12, x : x + 12] = 1
    places = estimator.places(images).flatten(1)
    known = torch.cat((places, torch.ones(64, 1)), dim=1)[:40]
    reading = torch.linalg.lstsq(known, corners[:40].float(), driver="gelsd").solution
    said = torch.cat((places, torch.ones(64, 1)), dim=1)[40:] @ reading
    for axis in (0, 1):
        assert torch.corrcoef(torch.stack((said[:, axis], corners[40:, axis].float())))[0, 1] > 0.9


@torch.no_grad()
def test_expressions_of_maps_do_not_see_place_and_size(monkeypatch):
    encoder = ExpressionMaps([8, 16], 8).eval()
    places = torch.rand(3, 32, 2) - 0.5
    features = []
    for seen in (places, 0.5 * places + torch.tensor([0.2, -0.1]), places.roll(1, 0)):
        monkeypatch.setattr(encoder, "places", lambda image, seen=seen: seen)
        features.append(encoder(torch.zeros(3, 3, 64, 64)))
    calm, moved, others = features
    torch.testing.assert_close(moved, calm, atol=0.01, rtol=0)
    assert (others - calm).abs().max() > 0.1


@torch.no_grad()
def test_maps_are_the_same_folded():
    torch.manual_seed(0)
    network = tiny("mmfa").network
    source, driving = portrait(1, 0, "a"), portrait(2, 1, "b")
    large = [Portrait(torch.nn.functional.interpolate(side.image, 64)) for side in (source, driving)]
    network(large[1], large[1])  # in training mode, so that running statistics are not the first ones
    network.eval()
    plain, folded = network(*large), network.folded()(*large)
    torch.testing.assert_close(folded.expression, plain.expression, atol=1e-4, rtol=0)
    torch.testing.assert_close(
        network.folded().affine.places(large[0].image), network.affine.places(large[0].image), atol=1e-4, rtol=0
    )
    torch.testing.assert_close(folded.image, plain.image, atol=1e-4, rtol=0)


@torch.no_grad()
def test_pictures_show_the_source_warped_and_the_driving_keypoints():
    torch.manual_seed(0)
    network = CASES["mmfa"].make().eval().network
    source, driving = portrait(1, 0, "a"), portrait(2, 1, "b")
    state = network.encode(source)
    still = network.perform(state, state.motion)
    small = torch.nn.functional.interpolate(source.image, 8, mode="area")
    inner = (..., slice(8, -8), slice(8, -8))
    wanted = torch.nn.functional.interpolate(small, 32)[inner]
    assert (
        still.pictures()["warped"][inner] - wanted
    ).abs().mean() < 0.4 * wanted.std()  # the identity of corner grids is not quite one
    moved = network.drive(state, driving)
    assert (moved.pictures()["warped"] - still.pictures()["warped"]).abs().max() > 0
    large = torch.nn.functional.interpolate(driving.image, 128)
    drawn = moved.pictures_of(large)["driving keypoints"]
    assert 0 < (drawn != large).any(1).float().mean() < 0.1


def test_exact_jacobians_are_those_of_the_map_between_keypoints():
    torch.manual_seed(0)
    network = CASES["mmfa"].make().network
    turned = rotation_of(torch.tensor([[20.0, -10.0, 5.0]]))
    source = FaceMotion(torch.eye(3)[None], torch.tensor([[1.2]]), torch.zeros(1, 2), torch.zeros(1, 4))
    driving = FaceMotion(turned, torch.tensor([[0.8]]), torch.tensor([[0.1, 0.2]]), torch.zeros(1, 4))
    points = torch.randn(1, 6, 3)
    zero = torch.zeros_like(points)
    here, there = source.keypoints(points, zero), driving.keypoints(points, zero)
    jacobian = network._jacobian(source, driving)
    moved = ((there[:, 1:] - there[:, :1]).unsqueeze(-2) * jacobian).sum(-1)
    torch.testing.assert_close(moved, here[:, 1:] - here[:, :1], atol=1e-5, rtol=0)


def test_losses():
    feature = torch.randn(4, 8)
    assert expression_invariance(feature, 3 * feature).item() == pytest.approx(0, abs=1e-6)
    assert expression_invariance(feature, -feature).item() == pytest.approx(2, abs=1e-6)
    points = torch.zeros(2, 5, 3)
    assert canonical_consistency(points, points + torch.tensor([3.0, 4.0, 0.0])).item() == pytest.approx(5)
    real = torch.zeros(1, 68, 2)
    fake = real.clone()
    fake[:, 48:, 0] = 0.5
    assert landmark_distance(fake, real, GROUPS["fan"], (10, 30, 20)).item() == pytest.approx(15)
    fake[:, :48, 1] = 1.0
    assert landmark_distance(fake, real, GROUPS["fan"], (10, 30, 20)).item() == pytest.approx(25)


def test_equivariance_sums_over_keypoints():
    points = torch.zeros(2, 15, 3)
    moved = points + torch.tensor([0.1, -0.2, 9.0])
    assert compute_equivariance(points, moved).item() == pytest.approx(15 * 0.3)
    tiny = presets.load_preset(presets.find_preset("scale", "tiny").with_suffix("") / "mmfa.yaml")["model"]["init_args"]
    # the measured training had 10 on the mean over keypoints and coordinates
    sums = 2 * tiny["network"]["keypoints"]
    assert tiny["losses"]["equivariance"] * sums == pytest.approx(10)


def test_the_145_landmarks_are_apart_and_alike_on_both_sides():
    points = [*MESH.face, *MESH.mouth, *MESH.pupils]
    assert (len(MESH.face), len(MESH.mouth), len(MESH.pupils)) == (115, 20, 10)
    assert len(set(points)) == 145
    real = torch.zeros(1, 478, 2)
    fake = real.clone()
    fake[:, 468:, 0] = 0.5
    assert landmark_distance(fake, real, MESH, (10, 30, 20)).item() == pytest.approx(10)


def weigh(**weights):
    """A small module whose losses are the paper's but for some."""
    network = MMFAConfig(**CASES["mmfa"].make().arguments["network"])
    return MMFAModule(network=network, discriminator=DiscriminatorConfig([8, 8]), losses=MMFALosses(**weights))


@pytest.mark.parametrize("kind", ["mediapipe", "fan"])
def test_photographs_need_the_detector_s_file(kind):
    weighed = weigh(landmarks=kind, reconstruction_face=0.0)
    assert DETECTOR_ASSETS[kind][0] in weighed.assets("fit")
    unweighed = replace(weighed.losses, landmarks_face=0.0, landmarks_mouth=0.0, landmarks_pupils=0.0)
    weighed.losses = unweighed
    assert DETECTOR_ASSETS[kind][0] not in weighed.assets("fit")


def test_landmarks_that_nothing_detects_are_refused():
    with pytest.raises(ReenactError, match="landmarks mediapipe"):
        weigh(landmarks="none").check_losses()
    none = {f"landmarks_{part}": 0.0 for part in ("face", "mouth", "pupils")}
    weigh(landmarks="none", **none).check_losses()


@pytest.mark.parametrize(
    ("losses", "idle"),
    [
        ({}, set()),
        ({"landmarks": "fan"}, {"landmarks_pupils"}),
        ({"gan": 0.0}, {"feature_matching"}),
        ({"perceptual": "none"}, {"reconstruction"}),
    ],
)
def test_losses_that_are_never_computed_are_announced(losses, idle, caplog):
    module = weigh(**losses)
    assert set(module.idle_losses) == idle
    module.announce_idle_losses()
    assert all(f"the loss {name} is weighed and never computed" in caplog.text for name in idle)
    assert len(caplog.records) == len(idle)


def test_relative_invariance_is_of_changes():
    person = 100 * torch.randn(4, 8)
    feature, other = person, person + torch.eye(4, 8)
    assert relative_invariance(feature, feature, other).item() == 0
    assert relative_invariance(feature, feature + 0.5 * torch.eye(4, 8), other).item() == pytest.approx(0.25, rel=1e-3)
    assert expression_invariance(feature, other).item() < 0.01, "the person hides the expression from the cosine"
    same = feature.clone().requires_grad_()
    bounded = relative_invariance(same, feature + 0.5, same)
    bounded.backward()
    assert bounded.item() == pytest.approx(100)
    assert same.grad.norm() < 1e-3


def test_guides_are_the_landmarks_themselves():
    points = torch.rand(2, 68, 2)
    keypoints = torch.cat((points[:, GUIDES], torch.rand(2, len(GUIDES), 1)), dim=-1)
    extra = torch.rand(2, 3, 3)
    assert guide_distance(torch.cat((keypoints, extra), dim=1), points).item() == 0
    moved = keypoints.clone()
    moved[:, 0, 0] += 0.5
    assert guide_distance(moved, points).item() == pytest.approx(3 * 0.5 / (4 * 3 + 11))
    other = torch.rand(2, 68, 2)
    there = torch.cat((other[:, GUIDES], torch.rand(2, len(GUIDES), 1)), dim=-1)
    assert guide_changes(keypoints, there, points, other).item() == pytest.approx(0, abs=1e-6)
    assert guide_changes(keypoints + 0.3, there - 0.2, points, other).item() == pytest.approx(0, abs=1e-6)
    assert guide_changes(keypoints, keypoints, points, other).item() > 0.01


@pytest.mark.parametrize(
    ("landmarks", "keypoints", "sentence"),
    [("none", 15, "guided by 68"), ("mediapipe", 15, "guided by 68"), ("probe", 14, "14 keypoints: too few")],
)
def test_a_guide_wants_landmarks_and_enough_keypoints(landmarks, keypoints, sentence):
    network, losses = MMFAConfig(keypoints=keypoints), MMFALosses(guide=1.0, landmarks=landmarks)
    with pytest.raises(ReenactError, match=sentence):
        MMFAModule(network=network, losses=losses)


@torch.no_grad()
@pytest.mark.parametrize("term", ["expression", "guide", "guide_changes"])
def test_a_weight_is_of_its_own_term_alone(term):
    module, batch = CASES["mmfa-guided"].make().eval(), pair(2)
    module.load_losses()
    result = module(batch.source, batch.driving)
    losses = []
    for factor in (1, 3):
        module.losses = replace(module.losses, **{term: factor})
        module.random = lambda: BatchDraws(torch.Generator().manual_seed(0))
        losses.append(module.keypoint_losses(batch, result))
    one, three = losses
    assert one[term] > 0
    for name, value in one.items():
        torch.testing.assert_close(three[name], value * (3 if name == term else 1))


@torch.no_grad()
def test_changes_of_expressions_are_those_to_the_source():
    module, batch = CASES["mmfa-guided"].make().eval(), pair(2)
    encoder = module.network.encoder
    source, driving = (encoder((side.image + 1) / 2) for side in (batch.source, batch.driving))
    noisy = driving + 0.1
    wanted = relative_invariance(driving, noisy, source)
    assert 0 < wanted < 100
    torch.testing.assert_close(module._invariance(module(batch.source, batch.driving), noisy), wanted)


@torch.no_grad()
def test_landmarks_in_bfloat16_are_those_of_float32():
    image = SyntheticClips(0, range(1000, 1001), 1, 40, 64).read(0, range(0, 40, 10)).image
    detector = LandmarkDetector("probe")
    assert isinstance(detector._network, Frozen)
    assert not any(weight.requires_grad for weight in detector._network.load().parameters())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = detector.read(image.bfloat16(), None)  # as results are
    exact = detector.read(image, detector.locate(image))
    torch.testing.assert_close(rounded, exact, atol=0.02, rtol=0)
    assert (rounded - exact).abs().mean() < 0.004


def test_shaken_images_keep_their_content_and_are_the_same_for_the_same_seed():
    image = torch.nn.functional.interpolate(torch.rand(3, 3, 4, 4), 32, mode="bilinear")
    first, again = (shake_images(image, BatchDraws(torch.Generator().manual_seed(3))) for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.allclose(first, image)
    assert (first.mean((2, 3)) - image.mean((2, 3))).abs().max() < 0.15
