"""Weight files in the official forms of the networks that metrics read with: right names and shapes, random weights."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision.models import alexnet, squeezenet1_1, vgg16

from reenact import assets
from reenact.metrics.openface import OpenFace

BACKBONES = {"alex": alexnet, "vgg": vgg16, "squeeze": squeezenet1_1}


def write_backbone(home: Path, name: str) -> Path:
    """torchvision's file, without the classifier, which LPIPS does not read."""
    torch.manual_seed(0)
    file = {"alex": "alexnet-owt-7be5be79.pth", "vgg": "vgg16-397923af.pth", "squeeze": "squeezenet1_1-b8a52dc0.pth"}
    features = BACKBONES[name]().features.state_dict()
    return _save(home / file[name], {f"features.{key}": value for key, value in features.items()})


def random_inception() -> nn.Module:
    """torch-fidelity's network without its weights."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    class Random(FeatureExtractorInceptionV3):
        def load_state_dict(self, *args, **kwargs):
            pass

    torch.manual_seed(1)
    empty = io.BytesIO()
    torch.save({}, empty)
    empty.seek(0)
    return Random("inception", ["2048"], feature_extractor_weights_path=empty)


def write_inception(home: Path) -> Path:
    return _save(home / "weights-inception-2015-12-05-6726825d.pth", random_inception().state_dict())


def write_openface(home: Path) -> Path:
    """Of a torch whose normalisations did not count batches."""
    torch.manual_seed(2)
    network = OpenFace()
    state = {key: value for key, value in network.state_dict().items() if not key.endswith("num_batches_tracked")}
    return _save(home / "openface.pth", state)


class SmallI3D(nn.Module):
    """Of the official program's signature, and small enough to know what it must say."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.layer = nn.Linear(3 * 8 * 4, 400)

    def forward(self, x: Tensor, rescale: bool = False, resize: bool = False, return_features: bool = False) -> Tensor:
        if rescale:
            x = 2 * x / 255 - 1
        if resize:
            x = nn.functional.interpolate(x, size=(x.shape[2], 224, 224), mode="trilinear", align_corners=False)
        logits = self.layer(nn.functional.adaptive_avg_pool3d(x, [8, 2, 2]).flatten(1))
        return logits if return_features else logits.softmax(1)


def write_i3d(home: Path, monkeypatch) -> Path:
    """A program that passes as the official one, whose digest is known."""
    path = home / "i3d_torchscript.pt"
    home.mkdir(parents=True, exist_ok=True)
    torch.jit.script(SmallI3D().eval()).save(str(path))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    asset = assets.ASSETS["i3d"]
    monkeypatch.setitem(assets.ASSETS, "i3d", replace(asset, files=(replace(asset.files[0], sha256=digest),)))
    return path


def _save(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(content, path)
    return path
