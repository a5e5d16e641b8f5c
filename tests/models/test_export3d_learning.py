"""Export3D learns eight frames of one clip by heart at tiny scale, with their depth; 150 CPU seconds."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from tiny import tiny
from torch.utils.data import DataLoader
from zoo import loader, trainer

from reenact.data.synthetic.clips import SyntheticClips
from reenact.faces.portrait import PortraitPair
from reenact.metrics.images import psnr
from reenact.models.export3d.network import Export3D

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
from export3d_strangers import correlate_depth

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
SIZE = 64
NETWORK = {"size": SIZE, "plane_scale": 2}
"""Settings of 64 pixels: planes half as large as those would be coarser than the rays."""
STEPS = 450


def train(folder: Path, data: DataLoader, steps: int) -> Export3D:
    pl.seed_everything(0)
    optimisation = {"milestones": [7 * steps // 10, 9 * steps // 10]}
    module = tiny("export3d_lebs10", network=NETWORK, optimisation=optimisation)
    run = trainer(folder, max_steps=steps, limit_val_batches=0)
    run.fit(module, data)
    run.save_checkpoint(folder / "last.ckpt")
    return module.network.eval()


def test_overfits_one_clip_of_eight_frames(tmp_path):
    clip = SyntheticClips(0, range(7, 8), 1, 64, SIZE).read(0, range(0, 64, 8))
    pairs = [(clip[:4], clip[4:]), (clip[4:], clip[:4])]
    network = train(tmp_path, loader([PortraitPair(*pair) for pair in pairs]), STEPS)
    with torch.no_grad():
        results = [network(*pair) for pair in pairs]
    score = torch.cat([psnr(result.image, pair[1].image) for result, pair in zip(results, pairs, strict=True)]).mean()
    depths = [
        correlate_depth(network, pair[1].params, result.depth) for result, pair in zip(results, pairs, strict=True)
    ]
    assert score > 24
    assert torch.cat(depths).min() > 0.8
