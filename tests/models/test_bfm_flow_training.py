"""What `reenact fit --model bfm_flow` and its base learn of people of the synthetic world; half an hour."""

import pytest
import strangers

from reenact.cli import main

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
FAR = 25.0
"""Degrees between source and driving head from which a pair counts as a large turn."""


def train_network(preset, folder):
    assert main(["fit", "--model", preset, "--out", str(folder / "run")]) == 0
    return strangers.load_network(folder / "run")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return train_network("bfm_flow", tmp_path_factory.mktemp("bfm_flow"))


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return train_network("bfm_flow_base", tmp_path_factory.mktemp("bfm_flow_base"))


@pytest.fixture(scope="module")
def numbers(whole):
    return strangers.measure_pairs(whole, strangers.read_strangers(0))


def test_beats_copying_the_source_of_strangers(numbers):
    assert numbers["psnr"].mean() > numbers["copied_psnr"].mean() + 2
    assert numbers["error"].mean() < numbers["copied_error"].mean() / 2


def test_mouths_open_as_the_driving_mouths(numbers):
    assert strangers.slope_of_lips(numbers) > 0.5


def test_computed_guidance_helps_with_large_turns(whole, base):
    guided, plain = (strangers.measure_pairs(network, strangers.read_far_pairs(0)) for network in (whole, base))
    assert (guided["angle"] > FAR).all()
    assert len(guided["angle"]) >= 20
    assert guided["psnr"].mean() > plain["psnr"].mean()
    assert guided["error"].mean() < plain["error"].mean()
