"""Perceptual losses; downloaded weights are stood in for by files of their form."""

import pytest
import torch
import torch.nn.functional as F

from reenact.errors import ReenactError
from reenact.nn.losses import PerceptualLoss
from reenact.nn.probe import WEIGHTS

PROBE = pytest.param("probe", marks=pytest.mark.skipif(not WEIGHTS.is_file(), reason="the package has no probe yet"))


@pytest.mark.parametrize("kind", ["pixels", PROBE])
def test_nothing_between_equals_and_a_gradient_between_others(kind):
    loss = PerceptualLoss(kind)
    real, fake = torch.rand(2, 2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    assert loss.distance(real, real) == 0
    fake.requires_grad_()
    distance = loss.pyramid([fake, fake[..., ::8, ::8]], [real, real[..., ::8, ::8]])
    distance.backward()
    assert distance > 0
    assert fake.grad is not None
    assert fake.grad.abs().sum() > 0


def test_vgg_face_as_written_down(tmp_path, monkeypatch):
    monkeypatch.setenv("REENACT_HOME", str(tmp_path))
    with pytest.raises(ReenactError, match="VGG-Face"):
        PerceptualLoss("vggface")
    state = made_vgg_face()
    torch.save(state, tmp_path / "vgg_face_dag.pth")
    fake, real = torch.rand(2, 1, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    layers = list(zip(vgg_face_layers(fake, state), vgg_face_layers(real, state), strict=True))
    weights = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1)
    wanted = sum(weight * F.l1_loss(*pair) / 255 for weight, pair in zip(weights, layers, strict=True))
    torch.testing.assert_close(PerceptualLoss("vggface").distance(fake, real), wanted)
    (tmp_path / "vgg_face_dag.pth").write_bytes(b"x")
    with pytest.raises(ReenactError, match="is damaged"):
        PerceptualLoss("vggface")


def made_vgg_face():
    """Random weights in the names of `vgg_face_dag.pth`, without its unused classifier."""
    draw = torch.Generator().manual_seed(0)
    state, inside = {}, 3
    for block, (count, width) in enumerate([(2, 64), (2, 128), (3, 256), (3, 512), (3, 512)], 1):
        for number in range(1, count + 1):
            scale = (2 / (9 * inside)) ** 0.5
            state[f"conv{block}_{number}.weight"] = scale * torch.randn(width, inside, 3, 3, generator=draw)
            state[f"conv{block}_{number}.bias"] = torch.randn(width, generator=draw)
            inside = width
    return state


def vgg_face_layers(image, state):
    """relu1_1 to relu5_1, layer by layer."""
    x = 255 * image - torch.tensor([129.1863, 104.7624, 93.5940]).view(1, 3, 1, 1)
    for block, count in enumerate((2, 2, 3, 3, 1), 1):
        for number in range(1, count + 1):
            name = f"conv{block}_{number}"
            x = F.relu(F.conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"], padding=1))
            if number == 1:
                yield x
        x = F.max_pool2d(x, 2)
