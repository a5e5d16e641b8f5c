"""What MagicPortrait at tiny scale learns of people of the synthetic world, stage by stage; half an hour."""

import pytest
import strangers
import torch
from tiny import tiny

pytest.importorskip("diffusers", reason="needs the extra diffusion")

from reenact.cli import main
from reenact.faces.portrait import PortraitPair
from reenact.metrics.temporal import flicker
from reenact.models.common.checkpoint import load_method
from reenact.nn.probe import load_probe

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
VIDEO = range(0, 24, 2)
"""Frames of a clip that are played."""


def train(preset, folder, *options):
    run = folder / preset
    assert main(["fit", "--model", preset, *options, "--out", str(run)]) == 0
    return run / "checkpoints" / "last.ckpt"


@pytest.fixture(scope="module")
def image_checkpoint(tmp_path_factory):
    return train("magicportrait_image", tmp_path_factory.mktemp("magicportrait"))


@pytest.fixture(scope="module")
def image_module(image_checkpoint):
    return load_method(image_checkpoint)


@pytest.fixture(scope="module")
def video_module(image_checkpoint, tmp_path_factory):
    folder = tmp_path_factory.mktemp("magicportrait")
    return load_method(train("magicportrait", folder, "--weights", str(image_checkpoint)))


def check_strangers(module):
    """The loss of validation on one pair of each stranger."""
    pairs = [PortraitPair(source, driving[4:5]) for source, driving in strangers.read_strangers(0)]
    return module.check_velocities(PortraitPair.cat(pairs)).item()


def test_the_loss_falls_to_two_fifths(image_module):
    untrained = tiny("magicportrait_image").eval()
    assert check_strangers(image_module) < 0.4 * check_strangers(untrained)


def test_the_right_guidance_halves_the_landmark_error(image_module):
    probe, network = load_probe(), image_module.network
    right, wrong = [], []
    for source, driving in strangers.read_strangers(0):
        with torch.no_grad():
            points, aims = probe(network(source, driving).image).landmarks, probe(driving.image).landmarks
        right.append(strangers.landmark_error(points, aims))
        wrong.append(strangers.landmark_error(points.roll(4, 0), aims))
    assert torch.cat(right).mean() < 0.5 * torch.cat(wrong).mean()


def test_samples_show_the_source(image_module):
    numbers = strangers.measure_pairs(image_module.network, strangers.read_strangers(0))
    assert numbers["psnr"].mean() > numbers["copied_psnr"].mean()


def test_motion_modules_lower_the_flicker(image_module, video_module):
    totals = {"image": 0.0, "video": 0.0}
    for person in strangers.PEOPLE[:6]:
        clip = strangers.read_portraits(person, 0, tuple(VIDEO), 0)
        for name, module in (("image", image_module), ("video", video_module)):
            with torch.no_grad():
                frames = torch.cat([result.image for result in module.play(clip[:1], [clip])])
            totals[name] += flicker(frames, clip.image).mean().item()
    assert totals["video"] < totals["image"]
