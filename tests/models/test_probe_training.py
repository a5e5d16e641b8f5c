"""Training the probe."""

import pytest
import torch
from zoo import loader, trainer

from reenact.data.synthetic.clips import SyntheticClips
from reenact.errors import ReenactError
from reenact.faces.portrait import PortraitPair
from reenact.faces.registry import load_face_model
from reenact.models.common.checkpoint import load_method
from reenact.models.probe import ProbeModule
from reenact.models.probe.damage import reframe_portrait, spoil_images
from reenact.models.probe.module import ProbeOptimisation


@pytest.fixture(scope="module")
def pair() -> PortraitPair:
    clips = SyntheticClips(0, range(2), 1, 100, 64)
    return PortraitPair(clips.read(0, [0, 50]), clips.read(1, [20, 70]))


def test_landmarks_and_cameras_follow_a_new_frame(pair):
    torch.manual_seed(0)
    moved = reframe_portrait(pair.source, zoom=1.3, shift=0.2)
    head = load_face_model("head")
    for portrait in (pair.source, moved):
        points = head.landmarks68(head.posed(portrait.params))[..., :2]
        torch.testing.assert_close((points + 1) * 32, portrait.landmarks, atol=1e-2, rtol=0)
    assert (moved.landmarks - pair.source.landmarks).abs().mean() > 0.5
    assert moved.image.shape == pair.source.image.shape


def test_nothing_moves_without_zoom_and_shift(pair):
    same = reframe_portrait(pair.source, zoom=1.0, shift=0.0)
    torch.testing.assert_close(same.image, pair.source.image, atol=1e-4, rtol=0)
    torch.testing.assert_close(same.landmarks, pair.source.landmarks, atol=1e-4, rtol=0)


def test_spoilt_pictures_stay_pictures(pair):
    torch.manual_seed(1)
    spoilt = spoil_images(pair.source.image)
    assert spoilt.shape == pair.source.image.shape
    assert spoilt.abs().max() <= 1
    assert not torch.equal(spoilt, pair.source.image)


def test_it_learns(pair, tmp_path):
    torch.manual_seed(0)
    module = ProbeModule(optimisation=ProbeOptimisation(warmup=2, identities=2))
    module.network.mean.zero_()
    run = trainer(tmp_path, max_steps=12, limit_val_batches=0)
    losses = []
    module.on_train_batch_end = lambda outputs, *_: losses.append(outputs["loss"].item())
    module.on_fit_start = lambda: module.network.scale.fill_(1.0)
    run.fit(module, loader([pair] * 12))
    assert sum(losses[-3:]) < 0.8 * sum(losses[:3])
    run.save_checkpoint(tmp_path / "probe.ckpt")
    with pytest.raises(ReenactError, match="is of probe, which makes no pictures"):
        load_method(tmp_path / "probe.ckpt")
