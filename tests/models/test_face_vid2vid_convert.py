"""Official Face-vid2vid files: the fixture's weights in the released format."""

import json
import math

import pytest
import torch
import yaml
from safetensors.torch import load_file

from reenact.errors import ReenactError
from reenact.faces.portrait import Portrait
from reenact.models.common.base import Transfer
from reenact.models.common.checkpoint import load_method
from reenact.models.common.convert import convert
from reenact.models.face_vid2vid import convert as converter
from reenact.nn.euler import angles_of, rotation_of


@pytest.fixture(scope="module")
def tensors(parity):
    return load_file(parity / "face_vid2vid.safetensors")


@pytest.fixture
def config(parity, tmp_path):
    """The official configuration of the fixture's network, with its order of rotations."""
    content = json.loads((parity / "face_vid2vid.json").read_text())["config"]
    del content["generator_params"]["block_expansion"]  # the fixture's decoders have one each
    path = tmp_path / "vox-64.yaml"
    path.write_text(yaml.safe_dump({"model_params": content, "rotation": "pitch-yaw-roll"}))
    return path


def official(tensors, generator):
    """What `torch.save` of the released trainer writes."""

    def state(name):
        prefix = f"state/{name}/"
        return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}

    parts = {name: state(name) for name in ("kp_detector", "he_estimator", "discriminator")}
    return {**parts, "generator": state(generator), "epoch": 189}


@torch.no_grad()
@pytest.mark.parametrize("generator", ["generator", "generator_spade"])
def test_a_converted_file_gives_the_official_output(tensors, tmp_path, config, generator):
    torch.save(official(tensors, generator), tmp_path / "00000189-checkpoint.pth.tar")
    module = load_method(convert(tmp_path / "00000189-checkpoint.pth.tar", tmp_path / "ours.ckpt", config=config))
    network = module.network
    assert network.config.decoder == ("spade" if "spade" in generator else "original")
    source, driving, initial = (
        Portrait(2 * tensors[f"input/{n}"] - 1) for n in ("source", "driving", "driving_initial")
    )
    state = network.encode(source)
    wanted = 2 * tensors[f"output/{generator}/prediction"] - 1
    # 2.7e-4 apart on some CPUs with the spade decoder, whose instance norms divide by small deviations
    torch.testing.assert_close(network.drive(state, driving).image, wanted, atol=4e-4, rtol=0)
    for adapt, name in ((False, "relative"), (True, "relative_adapt")):
        transfer = Transfer(mode="relative", adapt_scale=adapt)
        motion = network.retarget(state, network.read(driving), transfer, network.read(initial))
        moved = motion.keypoints(state.canonical)
        torch.testing.assert_close(moved, tensors[f"output/normalize_kp/{name}"], atol=1e-4, rtol=0)


def turns(x: float, y: float, z: float) -> torch.Tensor:
    """Rx(x) Ry(y) Rz(z) of degrees, (3, 3)."""
    (a, b), (c, d), (e, f) = ((math.cos(math.radians(v)), math.sin(math.radians(v))) for v in (x, y, z))
    about_x = torch.tensor([[1, 0, 0], [0, a, -b], [0, b, a]])
    about_y = torch.tensor([[c, 0, d], [0, 1, 0], [-d, 0, c]])
    about_z = torch.tensor([[e, -f, 0], [f, e, 0], [0, 0, 1]])
    return about_x @ about_y @ about_z


def test_the_first_release_composed_rotations_otherwise():
    yaw, pitch, roll = 20.0, 5.0, 3.0
    degrees = torch.tensor([[yaw, pitch, roll]])
    torch.testing.assert_close(rotation_of(degrees)[0], turns(pitch, yaw, roll), atol=1e-6, rtol=0)
    beta = rotation_of(degrees, "roll-pitch-yaw")
    torch.testing.assert_close(beta[0], turns(roll, pitch, yaw), atol=1e-6, rtol=0)
    torch.testing.assert_close(angles_of(beta, "roll-pitch-yaw"), degrees, atol=1e-4, rtol=0)


@torch.no_grad()
def test_a_file_of_the_first_release_turns_as_that_release(tensors, tmp_path, config):
    file = official(tensors, "generator")
    del file["kp_detector"]["down.weight"]
    torch.save(file, tmp_path / "beta.pth.tar")
    with pytest.raises(ReenactError, match=r"temperature \(0\.1 .*, rotation \(roll-pitch-yaw in released"):
        convert(tmp_path / "beta.pth.tar", tmp_path / "beta.ckpt")
    content = yaml.safe_load(config.read_text())
    content["model_params"]["kp_detector_params"]["scale_factor"] = 1
    config.write_text(yaml.safe_dump(content | {"rotation": "roll-pitch-yaw"}))
    module = load_method(convert(tmp_path / "beta.pth.tar", tmp_path / "beta.ckpt", config=config))
    assert module.arguments["network"]["composition"] == "roll-pitch-yaw"
    network = module.network
    estimate = network.estimate(Portrait(2 * tensors["input/source"] - 1))
    angles = estimate.angles[0] * (3.14 / math.pi)
    wanted = turns(angles[2].item(), angles[1].item(), angles[0].item())
    torch.testing.assert_close(estimate.motion.rotation[0], wanted, atol=1e-5, rtol=0)
    edited = network.set_control(None, estimate.motion[:1], "yaw", 30.0)
    torch.testing.assert_close(edited.rotation[0], turns(angles[2].item(), angles[1].item(), 30.0), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("size", "kernel", "composition"), [(4, "down.weight", "pitch-yaw-roll"), (1, "absent", "roll-pitch-yaw")]
)
def test_the_released_sizes_tell_the_release(size, kernel, composition):
    kernels = {"down.weight": torch.ones(1)} if kernel == "down.weight" else {}
    (rotation,) = (s for s in converter.list_settings({"kp_detector": kernels}) if s.name == "rotation")
    assert rotation.released == composition
    assert 1 / size in converter.RELEASED["model_params.kp_detector_params.scale_factor"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rotation": "yaw"}, "rotation yaw, which is not supported"),
        ({"rotation": None}, "don't tell rotation"),
        ({"model_params": {"kp_detector_params": {"temperature": 1}}}, "temperature 1, which is not supported"),
        ({"model_params": {"common_params": {"num_kp": 15}}}, "num_kp is 15 there and 6 in the weights"),
    ],
)
def test_settings_that_are_not_supported_are_refused(tensors, tmp_path, config, change, message):
    torch.save(official(tensors, "generator"), tmp_path / "own.pth.tar")
    config.write_text(yaml.safe_dump(yaml.safe_load(config.read_text()) | change))
    with pytest.raises(ReenactError, match=message):
        convert(tmp_path / "own.pth.tar", tmp_path / "ours.ckpt", config=config)
    assert not (tmp_path / "ours.ckpt").exists()


def test_jacobians_of_keypoints_are_refused(tensors, tmp_path, config):
    file = official(tensors, "generator")
    file["kp_detector"]["jacobian.weight"] = torch.zeros(54, 4, 3, 3, 3)
    torch.save(file, tmp_path / "jacobian.pth.tar")
    with pytest.raises(ReenactError, match="Face-vid2vid that estimates Jacobians"):
        convert(tmp_path / "jacobian.pth.tar", tmp_path / "ours.ckpt", config=config)
    assert not (tmp_path / "ours.ckpt").exists()


@torch.no_grad()
def test_the_canonical_face_has_the_canonical_keypoints(tensors, tmp_path, config):
    torch.save(official(tensors, "generator"), tmp_path / "own.pth.tar")
    network = load_method(convert(tmp_path / "own.pth.tar", tmp_path / "ours.ckpt", config=config)).network
    state = network.encode(Portrait(2 * tensors["input/source"] - 1))
    drawn = network.perform(state, network.build_canonical_motion(state))
    assert torch.equal(drawn.keypoints, state.canonical)
    assert not torch.equal(drawn.keypoints, state.keypoints)
