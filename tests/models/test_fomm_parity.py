"""FOMM against tensors of its released code; tolerance 1e-4."""

import json

import pytest
import torch
from safetensors.torch import load_file

from reenact.models.fomm.generator import (
    TEMPERATURE,
    VARIANCE,
    DenseMotionNetwork,
    Generator,
    KeypointDetector,
    Keypoints,
    resize_flow,
)
from reenact.models.fomm.network import retarget_keypoints
from reenact.nn.discriminator import MultiScaleDiscriminator
from reenact.nn.fold import fold_blocks
from reenact.nn.keypoints import draw_gaussians, sparse_motions, spatial_softmax
from reenact.nn.losses import discriminator_gan, feature_matching, generator_gan
from reenact.nn.resample import AntiAliasDown, build_gaussian, sample_image
from reenact.nn.thin_plate import RandomWarp

NOT_WEIGHTS = ("down.weight", "dense_motion_network.down.weight")


@pytest.fixture(scope="module")
def tensors(parity):
    return load_file(parity / "fomm.safetensors")


@pytest.fixture(scope="module")
def scalars(parity):
    return json.loads((parity / "fomm.json").read_text())["scalars"]


def state_of(tensors, name):
    prefix = f"state/{name}/"
    state = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
    return {key: value for key, value in state.items() if key not in NOT_WEIGHTS}


@pytest.fixture(scope="module")
def detector(tensors):
    network = KeypointDetector(4, base=4, largest=16, blocks=3, reduction=4).eval()
    network.load_state_dict(state_of(tensors, "kp_detector"))
    return network


@pytest.fixture(scope="module")
def generator(tensors):
    motion = DenseMotionNetwork(4, base=8, largest=32, blocks=3, reduction=4)
    network = Generator([8, 16, 32], 2, motion).eval()
    network.load_state_dict(state_of(tensors, "generator"))
    return network


def check(seen, tensors, prefix, count):
    wanted = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
    assert len(wanted) >= count
    assert seen.keys() == wanted.keys()
    for name, value in wanted.items():
        torch.testing.assert_close(seen[name], value, atol=1e-4, rtol=0, msg=lambda m, n=name: f"{n}: {m}")


def keypoints(tensors, which):
    return Keypoints(*(tensors[f"output/kp_detector/{which}_{part}"] for part in ("value", "jacobian")))


@torch.no_grad()
def test_keypoint_detector(tensors, detector):
    image = tensors["input/source"]
    down = detector.down(image)
    feature = detector.predictor(down)
    logits = detector.kp(feature)
    heatmap = spatial_softmax(logits, TEMPERATURE)
    seen = {"down_source": down, "feature_source": feature, "logits_source": logits, "heatmap_source": heatmap}
    for name in ("source", "driving", "driving_initial"):
        found = detector(tensors[f"input/{name}"])
        seen |= {f"{name}_value": found.value, f"{name}_jacobian": found.jacobian}
    check(seen, tensors, "output/kp_detector/", 10)


@torch.no_grad()
def test_dense_motion(tensors, generator):
    source, driving = keypoints(tensors, "source"), keypoints(tensors, "driving")
    reduced = generator.dense_motion_network.down(tensors["input/source"])
    motion = generator.dense_motion_network(reduced, source, driving)
    sizes = reduced.shape[-2:]
    heat = draw_gaussians(driving.value, sizes, VARIANCE) - draw_gaussians(source.value, sizes, VARIANCE)
    motions = sparse_motions(source.value, driving.value, sizes, source.jacobian @ driving.jacobian.inverse())
    moved = sample_image(reduced.repeat_interleave(5, 0), motions.flatten(0, 1)).unflatten(0, (2, 5))
    seen = {
        "heatmap_representation": torch.cat((torch.zeros(2, 1, *sizes), heat), 1).unsqueeze(2),
        "sparse_motion": motions,
        "sparse_deformed": moved,
        "mask": motion.mask,
        "deformation": motion.position,
        "occlusion_map": motion.occlusion,
    }
    check(seen, tensors, "output/dense_motion/", 6)


@torch.no_grad()
def test_absolute_and_relative_results(tensors, generator):
    source, driving, initial = (keypoints(tensors, name) for name in ("source", "driving", "driving_initial"))
    moved = {"": driving}
    moved |= {
        "_relative": retarget_keypoints(source, driving, initial),
        "_relative_adapt": retarget_keypoints(source, driving, initial, adapt_scale=True),
    }
    named = {name.removeprefix("_"): value for name, value in moved.items() if name}
    seen = {f"{name}_{part}": getattr(value, part) for name, value in named.items() for part in ("value", "jacobian")}
    check(seen, tensors, "output/normalize_kp/", 4)
    for network in (generator, fold_blocks(make_copy(generator))):
        appearance = network.encode(tensors["input/source"])
        seen = {}
        for name, target in moved.items():
            image, motion = network(appearance, source, target)
            seen[f"prediction{name}"] = image
            if not name:
                seen["deformed"] = sample_image(appearance.image, resize_flow(motion.position, image.shape[-2:]))
        check(seen, tensors, "output/generator/", 4)


def make_copy(network):
    import copy

    return copy.deepcopy(network)


@torch.no_grad()
def test_discriminators_and_their_losses(tensors, scalars):
    plain = MultiScaleDiscriminator([8, 16, 16, 16]).eval()
    keyed = MultiScaleDiscriminator([8, 16, 16, 16], 7, spectral=False).eval()
    real, fake = tensors["input/driving"], tensors["output/generator/prediction"]
    heat = draw_gaussians(tensors["output/kp_detector/driving_value"], (64, 64), VARIANCE)
    seen = {}
    for name, network, extra in (("discriminator", plain, None), ("discriminator_adv", keyed, heat)):
        network.load_state_dict(state_of(tensors, name))
        for which, image in (("real", real), ("fake", fake)):
            features, logits = network(image if extra is None else torch.cat((image, extra), 1))
            seen |= {f"{which}_feat{i}": feature for i, feature in enumerate(features)} | {f"{which}_map": logits}
        check(seen, tensors, f"output/{name}/", 10)
        if extra is None:
            plain_seen = dict(seen)
    features = {which: [plain_seen[f"{which}_feat{i}"] for i in range(4)] for which in ("real", "fake")}
    losses = {
        "gen_gan_ls": generator_gan(plain_seen["fake_map"], "ls"),
        "disc_gan_ls": discriminator_gan(plain_seen["real_map"], plain_seen["fake_map"], "ls"),
        "feature_matching": 10 * feature_matching(features["real"], features["fake"]),
    }
    for name, value in losses.items():
        assert value.item() == pytest.approx(scalars[f"output/loss/{name}"], rel=1e-5), name


@torch.no_grad()
def test_pyramid(tensors):
    for scale, factor in (("0.5", 2), ("0.25", 4), ("0.125", 8)):
        reduced = AntiAliasDown(factor)(tensors["input/driving"])
        torch.testing.assert_close(reduced, tensors[f"output/pyramid/driving_{scale}"], atol=1e-5, rtol=0)
        kernel = torch.outer(build_gaussian(factor), build_gaussian(factor))
        torch.testing.assert_close(kernel, tensors[f"output/pyramid/kernel_{scale}"], atol=1e-6, rtol=0)


def test_equivariance(tensors, scalars, detector):
    from reenact.models.fomm.module import compute_equivariance

    warp = RandomWarp(
        tensors["input/transform/theta"],
        tensors["input/transform/control_points"].view(-1, 2),
        tensors["input/transform/control_params"].squeeze(1),
    )
    frame = warp.frame(tensors["input/driving"])
    with torch.no_grad():
        found = detector(frame)
    seen = {
        "transformed_frame": frame,
        "kp_transformed_value": found.value,
        "kp_transformed_jacobian": found.jacobian,
        "warped_kp": warp.points(found.value),
        "jacobian_at_kp": warp.jacobian(found.value),
    }
    check(seen, tensors, "output/transform/", 5)
    value, jacobian = compute_equivariance(keypoints(tensors, "driving"), found, warp)
    assert 10 * value.item() == pytest.approx(scalars["output/loss/equivariance_value"], rel=1e-4)
    assert 10 * jacobian.item() == pytest.approx(scalars["output/loss/equivariance_jacobian"], rel=1e-4)
