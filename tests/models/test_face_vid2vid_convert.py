"""Official Face-vid2vid files: the fixture's weights in the released format."""

import pytest
import torch
from safetensors.torch import load_file

from reenact.faces.portrait import Portrait
from reenact.models.base import Transfer
from reenact.models.checkpoint import load_method
from reenact.models.convert import convert


@pytest.fixture(scope="module")
def tensors(parity):
    return load_file(parity / "face_vid2vid.safetensors")


def official(tensors, generator):
    """What `torch.save` of the released trainer writes."""

    def state(name):
        prefix = f"state/{name}/"
        return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}

    parts = {name: state(name) for name in ("kp_detector", "he_estimator", "discriminator")}
    return {**parts, "generator": state(generator), "epoch": 189}


@torch.no_grad()
@pytest.mark.parametrize("generator", ["generator", "generator_spade"])
def test_a_converted_file_gives_the_official_output(tensors, tmp_path, generator):
    torch.save(official(tensors, generator), tmp_path / "00000189-checkpoint.pth.tar")
    module = load_method(convert(tmp_path / "00000189-checkpoint.pth.tar", tmp_path / "ours.ckpt"))
    network = module.network
    assert network.config.decoder == ("spade" if "spade" in generator else "original")
    source, driving, initial = (
        Portrait(2 * tensors[f"input/{n}"] - 1) for n in ("source", "driving", "driving_initial")
    )
    state = network.encode(source)
    wanted = 2 * tensors[f"output/{generator}/prediction"] - 1
    torch.testing.assert_close(network.drive(state, driving).image, wanted, atol=2e-4, rtol=0)
    for adapt, name in ((False, "relative"), (True, "relative_adapt")):
        transfer = Transfer("relative", adapt_scale=adapt)
        motion = network.retarget(state, network.read(driving), transfer, network.read(initial))
        moved = motion.keypoints(state.canonical)
        torch.testing.assert_close(moved, tensors[f"output/normalize_kp/{name}"], atol=1e-4, rtol=0)
