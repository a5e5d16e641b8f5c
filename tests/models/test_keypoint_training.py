"""What keypoint methods learn at tiny scale on the synthetic world; minutes each."""

import pytest
import pytorch_lightning as pl
import torch
from tiny import tiny
from zoo import loader, trainer

from reenact.data.synthetic.clips import SyntheticClips
from reenact.faces.portrait import PortraitPair
from reenact.metrics.images import psnr

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
SIZE = 64


@pytest.mark.parametrize("preset", ["fomm", "face_vid2vid", "mmfa"])
def test_overfits_one_clip_of_eight_frames(preset, tmp_path):
    clip = SyntheticClips(0, range(7, 8), 1, 64, SIZE).read(0, range(0, 64, 8))
    pairs = [PortraitPair(clip[:4], clip[4:]), PortraitPair(clip[4:], clip[:4])]
    pl.seed_everything(0)
    module = tiny(preset, optimisation={"milestones": [400, 550]})
    trainer(tmp_path, max_steps=600, limit_val_batches=0).fit(module, loader(pairs))
    module.eval()
    with torch.no_grad():
        scores = [psnr(module(p.source, p.driving).image, p.driving.image).mean().item() for p in pairs]
    assert sum(scores) / 2 > 26
