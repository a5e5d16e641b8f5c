"""What `reenact fit --model bfm_flow` and its base learn of people of the synthetic world; half an hour each."""

import numpy as np
import pytest
import torch

from reenact.cli import main
from reenact.data.synthetic.clips import SyntheticClips
from reenact.faces.rotation import rotation_angle
from reenact.faces.vector import head_rotation
from reenact.metrics.images import psnr
from reenact.models.common.checkpoint import load_method
from reenact.nn.probe import load_probe

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
SIZE = 64
STRANGERS = range(1000, 1016)
"""People that no training saw."""
FAR = 25.0
"""Degrees between source and driving head from which a pair counts as a large turn."""


def measure_strangers(preset, folder):
    """Numbers of each pair: PSNR, copied PSNR, landmark errors of both, lip openings of both, angle between heads."""
    assert main(["fit", "--model", preset, "--out", str(folder)]) == 0
    network, probe = load_method(folder / "checkpoints" / "last.ckpt").network, load_probe()
    clips = SyntheticClips(0, STRANGERS, 1, 100, SIZE)
    rows = []
    for number in range(len(STRANGERS)):
        clip = clips.read(number, range(0, 100, 10))
        source, driving = clip[:1], clip[1:]
        with torch.no_grad():
            result = network(source, driving).image
            made, right, copied = (probe(image).landmarks for image in (result, driving.image, source.image))
        turn = head_rotation(source.params).expand(len(result), 3, 3)
        numbers = {
            "psnr": psnr(result, driving.image),
            "copied_psnr": psnr(source.image.expand_as(result), driving.image),
            "error": landmark_error(made, right),
            "copied_error": landmark_error(copied, right),
            "opening": lip_opening(made),
            "driving_opening": lip_opening(right),
            "angle": rotation_angle(turn, head_rotation(driving.params)),
        }
        rows.append(torch.stack(list(numbers.values())))
    return dict(zip(numbers, torch.cat(rows, 1).double().numpy(), strict=True))


def landmark_error(points, right):
    """Mean distance of landmarks (B, 68, 2), in distances of the outer eye corners."""
    return (points - right).norm(dim=-1).mean(-1) / (right[:, 36] - right[:, 45]).norm(dim=-1)


def lip_opening(points):
    """Distance of the inner lips, in distances of the outer eye corners."""
    lips = (points[:, 61:64] - points[:, [67, 66, 65]]).norm(dim=-1).mean(-1)
    return lips / (points[:, 36] - points[:, 45]).norm(dim=-1)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return measure_strangers("bfm_flow", tmp_path_factory.mktemp("bfm_flow") / "run")


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return measure_strangers("bfm_flow_base", tmp_path_factory.mktemp("base") / "run")


def test_beats_copying_the_source_of_strangers(whole):
    assert whole["psnr"].mean() > whole["copied_psnr"].mean() + 2
    assert whole["error"].mean() < whole["copied_error"].mean() / 2


def test_mouths_open_as_the_driving_mouths(whole):
    assert np.polyfit(whole["driving_opening"], whole["opening"], 1)[0] > 0.4


def test_computed_guidance_helps_with_large_turns(whole, base):
    far = whole["angle"] > FAR
    assert far.sum() >= 3
    assert whole["psnr"][far].mean() > base["psnr"][far].mean()
    assert whole["error"][far].mean() < base["error"][far].mean()
