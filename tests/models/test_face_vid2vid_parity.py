"""Face-vid2vid against tensors of its reimplementation; tolerance 1e-4."""

import json

import pytest
import torch
from safetensors.torch import load_file

from reenact.models.face_vid2vid.convert import rename_weights
from reenact.models.face_vid2vid.generator import Generator
from reenact.models.face_vid2vid.module import head_pose_error
from reenact.models.face_vid2vid.network import Estimator, HeadMotion, relative_keypoints
from reenact.nn.discriminator import MultiScaleDiscriminator
from reenact.nn.euler import angle_of, angles_of, rotation_of
from reenact.nn.keypoints import hull_ratio, sparse_motions, spatial_softmax
from reenact.nn.losses import (
    APART,
    deformation_prior,
    discriminator_gan,
    feature_matching,
    generator_gan,
    keypoint_prior,
)
from reenact.nn.resample import sample_image
from reenact.nn.thin_plate import RandomWarp
from reenact.nn.volume import TEMPERATURE, CanonicalDetector, VolumeDenseMotion, VolumeMotion

PI = 3.14


@pytest.fixture(scope="module")
def tensors(parity):
    return load_file(parity / "face_vid2vid.safetensors")


@pytest.fixture(scope="module")
def scalars(parity):
    return json.loads((parity / "face_vid2vid.json").read_text())["scalars"]


def state_of(tensors, name):
    prefix = f"state/{name}/"
    return rename_weights({key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)})


@pytest.fixture(scope="module")
def detector(tensors):
    network = CanonicalDetector(6, base=4, largest=32, blocks=4, depth=4, reduction=4).eval()
    network.load_state_dict(state_of(tensors, "kp_detector"))
    return network


@pytest.fixture(scope="module")
def estimator(tensors):
    network = Estimator(6, 8, [16, 32, 64, 128]).eval()
    network.load_state_dict(state_of(tensors, "he_estimator"))
    return network


def close(seen, wanted, name, atol=1e-4):
    torch.testing.assert_close(seen, wanted, atol=atol, rtol=0, msg=lambda m: f"{name}: {m}")


@torch.no_grad()
def test_canonical_keypoints(tensors, detector):
    feature = detector.predictor(detector.down(tensors["input/source"]))
    logits = detector.kp(feature)
    seen = {
        "feature": feature,
        "logits": logits,
        "heatmap": spatial_softmax(logits, TEMPERATURE),
        "canonical": detector(tensors["input/source"]),
        "canonical_driving": detector(tensors["input/driving"]),
    }
    for name, value in seen.items():
        close(value, tensors[f"output/kp_detector/{name}"], name)


@torch.no_grad()
def test_pose_and_expression(tensors, detector, estimator):
    canonical = detector(tensors["input/source"])
    for which in ("source", "driving", "driving_initial"):
        image = tensors[f"input/{which}"]
        heads = dict(zip(("yaw", "pitch", "roll", "t", "exp"), estimator.heads(image), strict=True))
        estimate = estimator(image)
        seen = heads | {f"{name}_deg": estimate.angles[:, i] for i, name in enumerate(("yaw", "pitch", "roll"))}
        seen["R"] = estimate.motion.rotation
        for name, value in seen.items():
            close(
                value,
                tensors[f"output/he_estimator/{which}_{name}"],
                f"{which} {name}",
                1e-3 if "deg" in name else 1e-4,
            )
        close(estimate.motion.keypoints(canonical), tensors[f"output/keypoints/{which}"], which)


def test_rotations(tensors):
    degrees = tensors["input/rotation/yaw_pitch_roll_deg"]
    close(rotation_of(degrees), tensors["output/rotation/R_exact_pi"], "pi", 1e-5)
    close(rotation_of(degrees * PI / torch.pi), tensors["output/rotation/R"], "3.14", 1e-5)
    inside = degrees.clamp(-80, 80)
    close(angles_of(rotation_of(inside)), inside, "back", 1e-2)


def test_relative_keypoints(tensors):
    source, driving, initial = (
        tensors[f"output/keypoints/{name}"] for name in ("source", "driving", "driving_initial")
    )
    plain = relative_keypoints(source, driving, initial, 1.0, torch.ones(1))
    close(plain, tensors["output/normalize_kp/relative"], "relative")
    adapted = relative_keypoints(source, driving, initial, 1.0, hull_ratio(source, initial))
    close(adapted, tensors["output/normalize_kp/relative_adapt"], "adapted")


@torch.no_grad()
@pytest.mark.parametrize(("name", "width", "decoder"), [("generator", 8, "original"), ("generator_spade", 4, "spade")])
def test_generators(tensors, name, width, decoder):
    motion_network = VolumeDenseMotion(6, base=4, largest=32, blocks=3, channels=8, depth=4, compress=2)
    generator = Generator(width, 32, 2, 8, 4, 2, decoder, 8, motion_network).eval()
    generator.load_state_dict(state_of(tensors, name))
    source, driving = tensors["output/keypoints/source"], tensors["output/keypoints/driving"]
    volume = generator(tensors["input/source"])
    compressed = motion_network.compressed(volume)
    motion = motion_network(compressed, source, driving)
    sparse = sparse_motions(source, driving, volume.shape[2:])
    seen = {
        "feature_3d": volume,
        "dense_motion_input": motion_network.inputs(compressed, source, driving, sparse),
        "mask": motion.mask,
        "deformation": motion.position,
        "occlusion_map": motion.occlusion,
        "warped_3d": sample_image(volume, motion.position),
        "fourth": generator.projected(volume, motion),
        "prediction": generator.decode(volume, motion),
    }
    if decoder == "original":
        moved = motion_network(compressed, source, tensors["output/normalize_kp/relative"])
        seen["prediction_relative"] = generator.decode(volume, VolumeMotion(*moved))
    prefix = f"output/{name}/"
    assert {key.removeprefix(prefix) for key in tensors if key.startswith(prefix)} == seen.keys()
    for key, value in seen.items():
        close(value, tensors[prefix + key], key)


@torch.no_grad()
def test_discriminator_and_its_losses(tensors, scalars):
    network = MultiScaleDiscriminator([8, 16, 16, 16]).eval()
    network.load_state_dict(state_of(tensors, "discriminator"))
    seen = {}
    for which, image in (("real", tensors["input/driving"]), ("fake", tensors["output/generator/prediction"])):
        features, logits = network(image)
        seen |= {f"{which}_feat{i}": feature for i, feature in enumerate(features)} | {f"{which}_map": logits}
    for name, value in seen.items():
        close(value, tensors[f"output/discriminator/{name}"], name)
    real, fake = ([seen[f"{which}_feat{i}"] for i in range(4)] for which in ("real", "fake"))
    losses = {"feature_matching": 10 * feature_matching(real, fake)}
    for kind in ("ls", "hinge"):
        losses[f"gen_gan_{kind}"] = generator_gan(seen["fake_map"], kind)
        losses[f"disc_gan_{kind}"] = discriminator_gan(seen["real_map"], seen["fake_map"], kind)
    for name, value in losses.items():
        assert value.item() == pytest.approx(scalars[f"output/loss/{name}"], rel=1e-4), name


@torch.no_grad()
def test_equivariance(tensors, scalars, detector, estimator):
    warp = RandomWarp(
        tensors["input/transform/theta"],
        tensors["input/transform/control_points"].view(-1, 2),
        tensors["input/transform/control_params"].squeeze(1),
    )
    frame = warp.frame(tensors["input/driving"])
    close(frame, tensors["output/transform/transformed_frame"], "frame")
    motion = estimator(frame).motion
    own = detector(frame)
    close(own, tensors["output/transform/canonical_of_transformed"], "canonical")
    driving = tensors["output/keypoints/driving"]
    for name, canonical in (("", tensors["output/kp_detector/canonical"]), ("_own_canonical", own)):
        points = motion.keypoints(canonical)
        close(points, tensors[f"output/transform/kp_transformed{name}"], name)
        warped = warp.points(points[..., :2])
        close(warped, tensors[f"output/transform/warped_equivariance_value{name}"], name)
        loss = 10 * (driving[..., :2] - warped).abs().mean()
        assert loss.item() == pytest.approx(scalars[f"output/loss/equivariance_value{name}"], rel=1e-3)


def test_priors_and_head_pose(tensors, scalars):
    distance, depth = keypoint_prior(tensors["input/prior/keypoints"])
    assert (distance + depth).item() == pytest.approx(scalars["output/loss/keypoint_prior_offdiag"], rel=1e-4)
    # The released code also counts each keypoint's distance to itself, a constant.
    assert distance.item() + 15 * APART == pytest.approx(scalars["output/loss/keypoint_prior_distance"], rel=1e-4)
    assert depth.item() == pytest.approx(scalars["output/loss/keypoint_prior_depth"], rel=1e-4)
    deformation = tensors["input/prior/exp"].view(3, 15, 3)
    assert 5 * deformation_prior(deformation).item() == pytest.approx(
        scalars["output/loss/deformation_prior"], rel=1e-4
    )
    names = ("yaw", "pitch", "roll")
    angles = torch.stack([angle_of(tensors[f"input/headpose/{name}_logits"]) for name in names], 1)
    wanted = torch.stack([tensors[f"input/headpose/{name}_gt_deg"] for name in names], 1)
    assert 20 * head_pose_error(angles, wanted).item() == pytest.approx(scalars["output/loss/headpose"], rel=1e-4)


def test_keypoints_of_eq_5_without_scale(tensors):
    scale, shift = tensors["input/mmfa/f"], tensors["input/mmfa/t"]
    canonical, delta = tensors["input/mmfa/canonical"], tensors["input/mmfa/delta"]
    rotation = tensors["output/rotation/R_exact_pi"] * scale.view(-1, 1, 1)
    translation = torch.cat((shift, torch.zeros(5, 1)), 1)
    points = HeadMotion(rotation, translation, torch.zeros_like(delta)).keypoints(canonical + delta)
    close(points, tensors["output/mmfa/keypoints"], "eq. 5", 1e-5)
