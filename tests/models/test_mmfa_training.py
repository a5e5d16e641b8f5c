"""What MMFA learns at tiny scale of people of the synthetic world, measured on others; half an hour on two cores."""

import numpy as np
import pytest
import torch
from trained import train_mmfa

from reenact.data.synthetic.clips import SyntheticClips
from reenact.faces.portrait import Portrait
from reenact.metrics.images import psnr
from reenact.models.checkpoint import load_method
from reenact.models.probe.damage import reframe

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
STRANGERS = range(1000, 1016)
"""People that no training saw."""


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    return load_method(train_mmfa(tmp_path_factory.mktemp("mmfa"))).network


@pytest.fixture(scope="module")
def frames() -> list[Portrait]:
    """Ten frames of each stranger."""
    clips = SyntheticClips(0, STRANGERS, 1, 100, 64)
    return [clips.read(number, range(0, 100, 10)) for number in range(len(STRANGERS))]


@torch.no_grad()
def test_beats_copying_the_source_of_strangers(network, frames):
    ours, copied = [], []
    for clip in frames:
        driving = clip[1:]
        ours.append(psnr(network(clip[:1], driving).image, driving.image).mean())
        copied.append(psnr(clip.image[:1].expand_as(driving.image), driving.image).mean())
    assert np.mean(ours) > np.mean(copied) + 1.5


@torch.no_grad()
def test_scale_and_translation_are_those_of_the_camera(network, frames):
    torch.manual_seed(0)
    scales, places = [], []
    for clip in frames:
        # One person's pictures, so that sizes of faces compare.
        moved = reframe(clip, zoom=1.2, shift=0.12)
        motion, camera = network.read(moved), moved.params.camera
        scales.append(_pearson(motion.scale[:, 0], camera[:, 0]))
        wanted = camera[:, :1] * camera[:, 1:3] * torch.tensor([1.0, -1.0])
        places.append([_pearson(motion.translation[:, i], wanted[:, i]) for i in range(2)])
    assert np.mean(scales) > 0.8
    assert np.mean(places, axis=0).min() > 0.8


@torch.no_grad()
def test_keypoints_share_the_face(network, frames):
    """No keypoint's mask has won everywhere, which high learning rates of the dense motion's heads lead to."""
    shares = torch.cat([network(clip[:1], clip[1:]).mask.mean((0, 2, 3, 4))[None] for clip in frames]).mean(0)
    assert (shares > 0.01).sum() >= 5


def _pearson(x: torch.Tensor, y: torch.Tensor) -> float:
    return torch.corrcoef(torch.stack((x.float(), y.float())))[0, 1].item()
