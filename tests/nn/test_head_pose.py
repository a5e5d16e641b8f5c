"""Hopenet in its official file format, and both teachers' conventions."""

import pytest
import torch
from torchvision.models import resnet50

from reenact.data.synthetic.clips import SyntheticClips
from reenact.errors import ReenactError
from reenact.nn.euler import rotation_of
from reenact.nn.head_pose import HeadPose, Hopenet
from reenact.nn.probe import ProbeReading, load_probe


@pytest.fixture(scope="module")
def official():
    """Keys and shapes of `hopenet_robust_alpha1.pkl`, as torch of its time wrote them: no counts of batches."""
    torch.manual_seed(0)
    trunk = {k: v for k, v in resnet50(weights=None).state_dict().items() if not k.startswith("fc.")}
    state = {name: value for name, value in trunk.items() if "num_batches" not in name}
    for head in ("fc_yaw", "fc_pitch", "fc_roll"):
        state |= {f"{head}.weight": 0.01 * torch.randn(66, 2048), f"{head}.bias": torch.zeros(66)}
    return state | {"fc_finetune.weight": torch.zeros(3, 2051), "fc_finetune.bias": torch.zeros(3)}


@torch.no_grad()
def test_the_official_file_is_read_and_bins_become_degrees(official, tmp_path, monkeypatch):
    state = dict(official)
    for name, bins in (("fc_yaw", 40), ("fc_pitch", 33), ("fc_roll", 20)):
        state[f"{name}.weight"] = torch.zeros(66, 2048)
        state[f"{name}.bias"] = 100 * torch.nn.functional.one_hot(torch.tensor(bins), 66).float()
    monkeypatch.setenv("REENACT_HOME", str(tmp_path))
    torch.save(state, tmp_path / "hopenet_robust_alpha1.pkl")
    degrees = HeadPose("hopenet")(torch.zeros(2, 3, 64, 64))
    torch.testing.assert_close(degrees, torch.tensor([[21.0, 0.0, -39.0]]).expand(2, 3), atol=1e-3, rtol=0)


def test_missing_and_damaged_files_are_told_in_one_sentence(official, tmp_path, monkeypatch):
    monkeypatch.setenv("REENACT_HOME", str(tmp_path))
    with pytest.raises(ReenactError, match=r"hopenet_robust_alpha1\.pkl"):
        HeadPose("hopenet")
    (tmp_path / "hopenet_robust_alpha1.pkl").write_bytes(b"no weights")
    with pytest.raises(ReenactError, match="is damaged"):
        HeadPose("hopenet")
    with pytest.raises(ReenactError, match="does not fit"):
        Hopenet({name: value for name, value in official.items() if name != "layer4.2.conv3.weight"})


def test_the_probe_s_rotations_become_those_of_keypoints(monkeypatch):
    """Both depths grow towards the viewer, as the keypoint prior has faces in front of what they turn about."""
    degrees = torch.tensor([[25.0, -10.0, 15.0]])
    wanted = rotation_of(degrees)
    flip = torch.diag(torch.tensor([1.0, -1.0, 1.0]))

    class Told(torch.nn.Module):
        def forward(self, image):
            return ProbeReading(torch.zeros(1, 68, 2), flip @ wanted @ flip, torch.zeros(1, 1), torch.zeros(1, 1))

    monkeypatch.setattr("reenact.nn.head_pose.load_probe", Told)
    torch.testing.assert_close(HeadPose("probe")(torch.zeros(1, 3, 64, 64)), degrees, atol=1e-3, rtol=0)


def test_noses_lie_in_front_of_what_heads_turn_about():
    """On the synthetic world: against the ears, a nose goes where the rotation sends points of positive depth."""
    clips = SyntheticClips(0, range(4), 1, 100, 64)
    for number in range(4):
        clip = clips.read(number, range(0, 100, 10))
        points = load_probe()(clip.image).landmarks
        nose = points[:, 30] - (points[:, 0] + points[:, 16]) / 2
        forward = rotation_of(HeadPose("probe")(clip.image))[:, :2, 2]
        moved, turned = nose - nose.mean(0), forward - forward.mean(0)
        assert ((moved * turned).sum(0) > 0).all()
