"""What keypoint methods learn at tiny scale on the synthetic world; minutes each."""

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader
from trained import People, expressions, taught_mmfa, tiny
from zoo import Pairs, loader, trainer

from reenact.data.synthetic.clips import SyntheticClips
from reenact.faces.portrait import PortraitPair
from reenact.metrics.images import psnr
from reenact.models.mmfa_vae.frozen import load_frozen

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


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The expression VAE on features that know expressions, its run, those features' MMFA, and people to learn from."""
    people = People(range(96), range(0, 100, 9), SIZE, 60, 32)
    checkpoint = taught_mmfa(tmp_path_factory.mktemp("mmfa"), people)
    pl.seed_everything(0)
    module = tiny("mmfa_vae")
    module.mmfa = checkpoint
    strangers = People(range(1000, 1016), range(0, 100, 5), SIZE, 10, 32)
    data = Pairs(1)
    data.train_dataloader = lambda: DataLoader(people, batch_size=None)
    data.val_dataloader = lambda: {"self": DataLoader(strangers, batch_size=None), "cross": loader([])}
    run = trainer(tmp_path_factory.mktemp("vae"), max_steps=600, check_val_every_n_epoch=10)
    run.fit(module, data)
    return module, run, load_frozen(checkpoint), people


def test_the_expression_vae_does_not_collapse(trained):
    _, run, _, _ = trained
    assert run.callback_metrics["val/self/variance_kept"] > 0.8
    assert run.callback_metrics["val/self/kl_per_dimension"] > 0.01


@torch.no_grad()
def test_the_jaw_opens_between_a_closed_and_an_open_mouth(trained):
    module, _, frozen, people = trained
    network = module.network.eval()
    ones = torch.ones(len(people.portraits.image), 1)
    features = torch.cat((frozen.features(people.portraits.image), ones), dim=1)
    reader = torch.linalg.lstsq(features.double(), expressions(people.portraits)[:, 0].double()).solution.float()
    clips = SyntheticClips(0, range(1000, 1016), 1, 100, SIZE)
    monotone = []
    for person in range(16):
        clip = clips.read(person, range(0, 100, 5))
        jaw = clip.params.jaw_pose[:, 0]
        both = frozen.features(clip.image[[int(jaw.argmin()), int(jaw.argmax())]])
        if (both @ reader[:-1]).diff() < 0.02:
            continue  # the encoder itself does not tell these two mouths apart
        way = torch.cat([network.between(*both.split(1), weight) for weight in torch.linspace(0, 1, 9).tolist()])
        monotone.append(bool(((way @ reader[:-1]).diff() > 0).all()))
    assert len(monotone) >= 8
    assert np.mean(monotone) >= 0.9
