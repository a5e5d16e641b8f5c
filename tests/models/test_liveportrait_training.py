"""What `reenact fit --model liveportrait` learns of people of the synthetic world, measured on others; half an hour."""

import pytest
import strangers
import torch

from reenact.cli import main
from reenact.models.liveportrait.landmarks import GUIDED, guide_points

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    run = tmp_path_factory.mktemp("liveportrait") / "run"
    assert main(["fit", "--model", "liveportrait", "--out", str(run)]) == 0
    return strangers.load_network(run)


@torch.no_grad()
def test_keypoints_find_the_features_of_strangers(network):
    """Pixels of 256, which landmarks of a neighbouring frame would miss by more."""
    errors = []
    for source, driving in strangers.read_strangers(0):
        points = network(source, driving).keypoints[:, list(GUIDED), :2]
        places = guide_points(driving.landmarks) * (2 / strangers.SIZE) - 1
        errors.append(128 * (points - places).norm(dim=-1))
    assert torch.cat(errors).mean() < 12
