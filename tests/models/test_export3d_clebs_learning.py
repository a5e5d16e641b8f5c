"""CLeBS learns at tiny scale: frames of strangers are found by expressions, people are not; 7 CPU minutes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from reenact.benchmark.embedding import probe_labels
from reenact.cli import main
from reenact.data.synthetic.clips import SyntheticClips
from reenact.faces.fitting import fit_landmarks
from reenact.faces.portrait import Portrait
from reenact.faces.registry import load_face_model
from reenact.models.common.checkpoint import load_method
from reenact.models.common.expression_basis import join_expression
from reenact.models.export3d_clebs.losses import count_matches
from reenact.models.export3d_clebs.module import CLeBSModule

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
SIZE = 96
WORLD = "--identities 600 --test-identities 32 --clips-per-identity 1 --frames-per-clip 33 --every 3 --size 96"
STRANGERS = range(100_000, 100_032)
LENGTH = 33
"""Frames of a stranger's clip, 3 apart."""


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> CLeBSModule:
    folder = tmp_path_factory.mktemp("clebs")
    store, run = str(folder / "store"), folder / "run"
    assert main(["world", "--out", store, *WORLD.split()]) == 0
    data = ["--data", "clips", "--data.root", store, "--scale", "tiny"]
    spacing = ["--model.contrast.stride", "1"]  # frames of the store are 3 apart
    assert main(["fit", "--model", "export3d_clebs", *data, *spacing, "--out", str(run)]) == 0
    module = load_method(run / "checkpoints" / "last.ckpt")
    assert isinstance(module, CLeBSModule)
    return module.eval()


def test_the_frame_of_an_expression_is_found_among_33_of_a_stranger(trained):
    """Chance finds 3 %; 61.0 % were measured."""
    source = SyntheticClips(0, STRANGERS, 1, 3 * LENGTH, SIZE)
    clips = [source.read(number, range(0, 3 * LENGTH, 3)) for number in range(len(STRANGERS))]
    portraits = [Portrait(clip.image, clip.params).split(LENGTH) for clip in clips]
    with torch.no_grad():
        shares = [count_matches(trained.compare_frames(portrait)) for portrait in portraits]
    assert torch.stack(shares).mean() > 0.58


def test_people_are_read_from_codes_less_well_than_from_fitted_coefficients(trained):
    """Ten people, twenty frames of two clips each; a probe is fitted to one clip and reads the other.

    Coefficients are fitted to landmarks with an error of one pixel of 256, since the world's own tell nothing of a
    person. Measured were 84 % of the frames by coefficients and 58.5 % by codes; chance has 10 %.
    """
    source, head = SyntheticClips(0, STRANGERS, 2, 100, SIZE), load_face_model("head")
    draw = torch.Generator().manual_seed(0)
    raw, codes = [], []
    for number in range(20):
        landmarks = source.read(number, range(0, 100, 5)).landmarks / (SIZE / 2) - 1
        noise = torch.randn(landmarks.shape, generator=draw) / 128
        params = fit_landmarks(head, landmarks + noise).params
        raw.append(join_expression(params, trained.network.expression.joints))
        with torch.no_grad():
            codes.append(trained.network.expression(params))
    people = np.repeat(np.arange(10), 20)
    shares = [probe_labels(*split_clips(part, people)) for part in (raw, codes)]
    assert shares[1] < shares[0] - 0.05


def split_clips(parts: list[Tensor], people: np.ndarray) -> tuple[np.ndarray, ...]:
    """Numbers of the first clips and of the second ones of each person, each with the people."""
    first, second = (torch.cat(parts[start::2]).double().numpy() for start in (0, 1))
    return first, people, second, people
