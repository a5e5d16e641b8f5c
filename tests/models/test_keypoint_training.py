"""What keypoint methods learn at tiny scale on the synthetic world; minutes each."""

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader
from trained import People, expressions, gap, jaw, pearson, same_pose, taught_mmfa, tiny, train_mmfa
from zoo import Pairs, loader, trainer

from reenact.data.synthetic.clips import SyntheticClips
from reenact.faces.portrait import Portrait, PortraitPair
from reenact.faces.rotation import rotation_angle
from reenact.metrics.images import psnr
from reenact.models.base import Transfer
from reenact.models.checkpoint import load_method
from reenact.models.mmfa.losses import shaken
from reenact.models.mmfa_vae.frozen import load_frozen
from reenact.models.probe.damage import reframe
from reenact.nn.probe import load_probe

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
SIZE = 64
STRANGERS = range(1000, 1016)
"""People that no training saw."""


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
def checkpoint(tmp_path_factory):
    """An MMFA trained for some minutes."""
    return train_mmfa(tmp_path_factory.mktemp("mmfa"))


@pytest.fixture(scope="module")
def frames() -> list[Portrait]:
    """Ten frames of each stranger."""
    clips = SyntheticClips(0, STRANGERS, 1, 100, SIZE)
    return [clips.read(number, range(0, 100, 10)) for number in range(len(STRANGERS))]


@torch.no_grad()
def test_beats_copying_the_source_of_strangers(checkpoint, frames):
    network = load_method(checkpoint).network
    ours, copied = [], []
    for clip in frames:
        driving = clip[1:]
        ours.append(psnr(network(clip[:1], driving).image, driving.image).mean())
        copied.append(psnr(clip.image[:1].expand_as(driving.image), driving.image).mean())
    assert sum(ours) / len(ours) > sum(copied) / len(copied) + 1.5


@torch.no_grad()
def test_scale_and_translation_are_those_of_the_camera(checkpoint, frames):
    network = load_method(checkpoint).network
    torch.manual_seed(0)
    scales, places = [], []
    for clip in frames:
        # One person's pictures, so that sizes of faces compare.
        moved = reframe(clip, zoom=1.2, shift=0.12)
        motion, camera = network.read(moved), moved.params.camera
        scales.append(pearson(motion.scale[:, 0], camera[:, 0]))
        places.append(
            [pearson(motion.translation[:, i], sign * camera[:, 0] * camera[:, 1 + i]) for i, sign in ((0, 1), (1, -1))]
        )
    assert np.mean(scales) > 0.8
    assert np.mean(places) > 0.8


@torch.no_grad()
def test_expressions_hardly_see_rotation_scale_and_shift(checkpoint):
    network = load_method(checkpoint).network
    draw = torch.Generator().manual_seed(0)
    shake, change = [], []
    for person in STRANGERS:
        both = same_pose(person, 10, (10, 55), SIZE)
        calm, moved = both[:1], both[1:]
        e = network.read(calm).expression
        shake.append((network.encoder((shaken(calm.image, draw) + 1) / 2) - e).norm())
        change.append((network.read(moved).expression - e).norm())
    assert sum(shake) / sum(change) < 0.5


@torch.no_grad()
def test_editing_the_expression_leaves_the_head(checkpoint, frames):
    network, probe = load_method(checkpoint).network, load_probe()
    angles, mouths = [], []
    for clip in frames:
        closed, opened = (clip[i : i + 1] for i in (int(jaw(clip).argmin()), int(jaw(clip).argmax())))
        state = network.encode(closed)
        still = network.perform(state, state.motion).image
        motion = network.retarget(state, network.read(opened), Transfer(parts=("expression",)))
        edited = network.perform(state, motion).image
        before, after = probe(still), probe(edited)
        angles.append(rotation_angle(before.rotation, after.rotation).item())
        mouths.append((gap(after.landmarks) - gap(before.landmarks)).item())
    assert np.mean(angles) < 2
    assert np.mean(np.array(mouths) > 0) > 0.8


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The expression VAE on features that know expressions, its run, those features' MMFA, and people to learn from."""
    people = People(range(96), range(0, 100, 9), SIZE, 60, 32)
    checkpoint = taught_mmfa(tmp_path_factory.mktemp("mmfa"), people)
    pl.seed_everything(0)
    module = tiny("mmfa_vae")
    module.mmfa = checkpoint
    strangers = People(STRANGERS, range(0, 100, 5), SIZE, 10, 32)
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
    clips = SyntheticClips(0, STRANGERS, 1, 100, SIZE)
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
