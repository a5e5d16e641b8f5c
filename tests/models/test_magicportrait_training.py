"""What MagicPortrait at tiny scale learns of people of the synthetic world, stage by stage; 20 minutes of one core."""

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
PLAIN = {"carried": False, "latent_scale": 2.0}
"""Settings of a network that reads no carried source, so that motion comes by the maps alone."""
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
def plain_module(tmp_path_factory):
    options = [word for name, value in PLAIN.items() for word in (f"--model.network.{name}", str(value))]
    return load_method(train("magicportrait_image", tmp_path_factory.mktemp("magicportrait"), *options))


@pytest.fixture(scope="module")
def video_checkpoint(image_checkpoint, tmp_path_factory):
    return train("magicportrait", tmp_path_factory.mktemp("magicportrait"), "--weights", str(image_checkpoint))


@pytest.fixture(scope="module")
def fast_checkpoint(video_checkpoint, tmp_path_factory):
    folder = tmp_path_factory.mktemp("magicportrait")
    return train("magicportrait_fast", folder, "--model.teacher", str(video_checkpoint))


def check_strangers(module):
    """The loss of validation on one pair of each stranger."""
    pairs = [PortraitPair(source, driving[4:5]) for source, driving in strangers.read_strangers(0)]
    return module.check_velocities(PortraitPair.cat(pairs)).item()


def test_the_loss_falls_to_two_fifths(plain_module):
    torch.manual_seed(0)
    untrained = tiny("magicportrait_image", network=PLAIN).eval()
    assert check_strangers(plain_module) < 0.4 * check_strangers(untrained)


def test_the_right_guidance_halves_the_landmark_error(plain_module):
    probe, network = load_probe(), plain_module.network
    right, wrong = [], []
    for source, driving in strangers.read_strangers(0):
        with torch.no_grad():
            points, aims = probe(network(source, driving).image).landmarks, probe(driving.image).landmarks
        right.append(strangers.landmark_error(points, aims))
        wrong.append(strangers.landmark_error(points.roll(4, 0), aims))
    assert torch.cat(right).mean() < 0.5 * torch.cat(wrong).mean()


def test_the_networks_alone_move_faces_and_open_mouths(plain_module):
    numbers = strangers.measure_pairs(plain_module.network, strangers.read_strangers(0))
    assert numbers["psnr"].mean() > numbers["copied_psnr"].mean() + 0.3
    assert numbers["error"].mean() < 0.04
    assert strangers.slope_within_clips(numbers) > 0.4


@pytest.mark.parametrize(("steps", "gain"), [(4, 4.0), (20, 4.0)])
def test_samples_are_clearly_better_than_the_copied_source(image_checkpoint, steps, gain):
    network = load_method(image_checkpoint, settings={"network.sampling.steps": str(steps)}).network
    numbers = strangers.measure_pairs(network, strangers.read_strangers(0))
    assert numbers["psnr"].mean() > numbers["copied_psnr"].mean() + gain
    assert numbers["error"].mean() < 0.02
    assert strangers.slope_within_clips(numbers) > 0.45


def silence_motion_modules(checkpoint):
    """The second stage with motion modules that change nothing, and the same noise of each frame."""
    module = load_method(checkpoint)
    for name, part in module.network.denoiser.named_modules():
        if "motion_modules" in name and name.endswith("proj_out"):
            part.weight.zero_()
            part.bias.zero_()
    return module


def test_motion_modules_lower_the_flicker(video_checkpoint):
    totals = {"with": 0.0, "without": 0.0}
    modules = {"with": load_method(video_checkpoint), "without": silence_motion_modules(video_checkpoint)}
    for person in strangers.PEOPLE[:4]:
        clip = strangers.read_portraits(person, 0, tuple(VIDEO), 0)
        for name, module in modules.items():
            with torch.no_grad():
                frames = torch.cat([result.image for result in module.play(clip[:1], [clip])])
            totals[name] += flicker(frames, clip.image).mean().item()
    assert totals["with"] < totals["without"]
    assert totals["with"] / 4 < 0.02


def play_strangers(module):
    """Frames (N, 3, H, W) of clips of four strangers, their mean landmark error, and the calls of the denoiser."""
    probe, results, errors, calls = load_probe(), [], [], []
    module.network.denoiser.register_forward_hook(lambda *_: calls.append(1))
    for person in strangers.PEOPLE[:4]:
        source, clip = (strangers.read_portraits(person, 0, frames, 0) for frames in ((60,), tuple(VIDEO)))
        with torch.no_grad():
            frames = torch.cat([result.image for result in module.play(source, [clip])])
        results.append(frames)
        errors.append(strangers.landmark_error(probe(frames).landmarks, probe(clip.image).landmarks))
    return torch.cat(results), torch.cat(errors).mean().item(), len(calls)


def test_few_steps_do_what_twenty_of_the_teacher_do(video_checkpoint, fast_checkpoint):
    """Frames have the same noise in all of them, all of it, so that pictures are comparable one by one."""
    settings = {"network.sampling.temperature": "1"}
    frames, error, calls = play_strangers(load_method(fast_checkpoint, settings=settings))
    twenty = load_method(video_checkpoint, settings={**settings, "network.sampling.steps": "20"})
    aims, teacher_error, teacher_calls = play_strangers(twenty)
    untrained, *_ = play_strangers(load_method(video_checkpoint, settings=settings))  # four steps too
    assert error < 1.1 * teacher_error
    assert (frames - aims).square().mean() < (untrained - aims).square().mean()
    assert 5 * calls <= teacher_calls
