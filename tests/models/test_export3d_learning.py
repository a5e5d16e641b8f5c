"""Export3D learns at tiny scale: one clip by heart, and people whom the training did not see; 10 CPU minutes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from tiny import tiny
from torch.utils.data import DataLoader, Dataset
from zoo import loader, trainer

from reenact.data.synthetic.clips import SyntheticClips
from reenact.faces.portrait import Portrait, PortraitPair
from reenact.metrics.images import psnr
from reenact.models.export3d.network import Export3D

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
from export3d_strangers import correlate_depth, measure_strangers

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
SIZE = 64
NETWORK = {
    "size": SIZE,
    "plane_scale": 2,
    "expression_maps": 0,
    "basis": {"width": 64, "hidden": 64, "gain": 1.0},
}
"""Settings of 64 pixels: planes half as large as those would be coarser than the rays. The code reaches the planes by
the tokens alone, as in the trainings that were measured; the preset has maps of it as well."""
LOSSES = {"features": 0.0}
"""Of the trainings that were measured; the preset weighs eyes and mouth more."""
RATE = 2e-3
"""Twice the preset's, at which a training at 128 pixels became black."""
OVERFIT_STEPS = 450
STEPS = 1500
PEOPLE = 240
FRAMES = 12
"""Frames of each of the people, of one clip."""


class DrawnPairs(Dataset):
    """Batches of four pairs of frames of people, drawn before the training."""

    def __init__(self, batches: int) -> None:
        clips = SyntheticClips(0, range(PEOPLE), 1, 100, SIZE)
        self.people = [clips.read(person, range(0, 8 * FRAMES, 8)) for person in range(PEOPLE)]
        self.batches = batches

    def __len__(self) -> int:
        return self.batches

    def __getitem__(self, number: int) -> PortraitPair:
        generator = torch.Generator().manual_seed(number)
        pairs = []
        for person in torch.randint(PEOPLE, (4,), generator=generator).tolist():
            first, second = torch.randperm(FRAMES, generator=generator)[:2].tolist()
            frames = self.people[person]
            pairs.append((frames[first : first + 1], frames[second : second + 1]))
        return PortraitPair(*(Portrait.cat(list(side)) for side in zip(*pairs, strict=True)))


def train(folder: Path, data: DataLoader, steps: int, **network: int) -> Export3D:
    pl.seed_everything(0)
    optimisation = {"generator_lr": RATE, "milestones": [7 * steps // 10, 9 * steps // 10]}
    module = tiny("export3d_lebs10", network={**NETWORK, **network}, losses=LOSSES, optimisation=optimisation)
    run = trainer(folder, max_steps=steps, limit_val_batches=0)
    run.fit(module, data)
    run.save_checkpoint(folder / "last.ckpt")
    return module.network.eval()


def test_overfits_one_clip_of_eight_frames(tmp_path):
    clip = SyntheticClips(0, range(7, 8), 1, 64, SIZE).read(0, range(0, 64, 8))
    pairs = [(clip[:4], clip[4:]), (clip[4:], clip[:4])]
    network = train(tmp_path, loader([PortraitPair(*pair) for pair in pairs]), OVERFIT_STEPS)
    with torch.no_grad():
        results = [network(*pair) for pair in pairs]
    score = torch.cat([psnr(result.image, pair[1].image) for result, pair in zip(results, pairs, strict=True)]).mean()
    depths = [
        correlate_depth(network, pair[1].params, result.depth) for result, pair in zip(results, pairs, strict=True)
    ]
    assert score > 24
    assert torch.cat(depths).min() > 0.8


@pytest.fixture(scope="module")
def numbers(tmp_path_factory) -> dict:
    """Numbers of 16 people whom the training did not see."""
    network = train(
        tmp_path_factory.mktemp("strangers"), DataLoader(DrawnPairs(STEPS), batch_size=None), STEPS, rays=32
    )
    measured = measure_strangers(network)
    print(measured)  # shown by `pytest -s`
    return measured


def test_heads_of_strangers_follow_in_place_and_depth(numbers):
    """The measured ones: 0.053 of 0.114, 0.93, 31.1 dB on 78 % of the pixels of the face."""
    assert numbers["error"] < numbers["copied_error"] / 2
    assert numbers["depth"] > 0.8
    assert numbers["reprojected"] > 29
    assert numbers["overlap"] > 0.7


def test_identity_falls_slowly_with_the_yaw(numbers):
    """The measured cosines from -30 to 30 degrees: 0.44, 0.59, 0.68, 0.64, 0.49."""
    bounds = {-30: 0.38, -15: 0.53, 0: 0.62, 15: 0.58, 30: 0.42}
    assert all(numbers["identity"][yaw] > bound for yaw, bound in bounds.items())


def test_the_basis_leaves_the_head_still(numbers):
    """The measured largest rotation is 0.42 degrees."""
    assert numbers["sweep_rotation"] < 1
