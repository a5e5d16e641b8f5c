"""Short trainings of MagicPortrait's ablation presets, both stages from the command line; six minutes."""

import pytest
import strangers
import torch
from tiny import tiny

pytest.importorskip("diffusers", reason="needs the extra diffusion")

from reenact.cli import main
from reenact.faces.portrait import PortraitPair
from reenact.models.common.checkpoint import load_method
from reenact.models.magicportrait.method import ABLATIONS

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


def train(preset, folder, steps, *options):
    run = folder / preset
    words = ["fit", "--model", preset, "--trainer.max_steps", str(steps), "--trainer.limit_val_batches", "0"]
    assert main([*words, *options, "--out", str(run)]) == 0
    return run / "checkpoints" / "last.ckpt"


def check_people(module):
    """The loss of validation on one pair of each of four strangers."""
    people = [
        strangers.read_portraits(person, 0, tuple(range(0, strangers.FRAMES, 10)), 0) for person in strangers.PEOPLE[:4]
    ]
    return module.check_velocities(PortraitPair.cat([PortraitPair(one[:1], one[4:5]) for one in people])).item()


@pytest.mark.parametrize("ablation", ABLATIONS)
def test_an_ablation_learns_and_plays_a_clip(ablation, tmp_path):
    preset = f"magicportrait_{ablation}"
    first = train(f"{preset}_image", tmp_path, 30)
    torch.manual_seed(0)
    untrained, image_module = tiny(f"{preset}_image").eval(), load_method(first)
    assert check_people(image_module) < 0.9 * check_people(untrained)
    encoders = image_module.network.guidance.encoders
    assert all(encoder.conv_out.weight.any() for encoder in encoders.values())  # zero before training
    module = load_method(train(preset, tmp_path, 10, "--weights", str(first)))
    clip = strangers.read_portraits(strangers.PEOPLE[0], 0, (0, 20, 40, 60, 80), 0)
    with torch.no_grad():
        results = list(module.play(clip[:1], [clip]))
    image = torch.cat([result.image for result in results])
    assert image.shape == clip.image.shape
    assert image.isfinite().all()
    assert (image[0] - image[-1]).abs().mean() > 0.01
    assert set(image_module.network.config.guidance.maps) <= results[0].pictures().keys()
