"""Perceptual losses: distances between images in the layers of a fixed network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reenact import assets
from reenact.errors import ReenactError
from reenact.nn.probe import load_probe

PerceptualKind = Literal["vgg19", "probe", "pixels", "none"]
"""ImageNet VGG-19; the probe that the package ships; the pixels themselves; or no such term."""

VGG19_CUTS = (2, 7, 12, 21, 30)
"""Ends of relu1_1, 2_1, 3_1, 4_1, 5_1 in torchvision's `vgg19().features`."""


class Vgg19Features(nn.Module):
    """relu1_1, 2_1, 3_1, 4_1 and 5_1 of torchvision's ImageNet VGG-19, for images (B, 3, H, W) in [0, 1]."""

    mean: Tensor
    std: Tensor

    def __init__(self, state: dict[str, Tensor] | None = None) -> None:
        super().__init__()
        from torchvision.models import vgg19  # imported late: it takes seconds

        network = vgg19(weights=None)
        network.load_state_dict(state or _vgg19_weights())
        layers = list(network.features.children())
        starts = (0, *VGG19_CUTS)
        self.slices = nn.ModuleList(nn.Sequential(*layers[a:b]) for a, b in zip(starts, VGG19_CUTS, strict=False))
        for module in self.modules():
            if isinstance(module, nn.ReLU):
                module.inplace = False  # the slice before keeps its output
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))
        self.eval().requires_grad_(False)

    def forward(self, image: Tensor) -> list[Tensor]:
        """The five layers, finest first."""
        features = [(image - self.mean) / self.std]
        for part in self.slices:
            features.append(part(features[-1]))
        return features[1:]


def _vgg19_weights() -> dict[str, Tensor]:
    path = assets.require("vgg19")
    try:
        weights: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the unpickler raises whatever a broken file makes it stumble over
        raise ReenactError(
            f"{path} is damaged: remove it and fetch it again ({assets.ASSETS['vgg19'].source})"
        ) from error
    return weights


class ProbeFeatures(nn.Module):
    """The probe's layers at strides 2 to 32, for images (B, 3, H, W) in [0, 1]; small images are not resized."""

    def __init__(self) -> None:
        super().__init__()
        self.probe = load_probe()

    def forward(self, image: Tensor) -> list[Tensor]:
        """The five layers, finest first."""
        return self.probe.features(image * 2 - 1)


class PixelFeatures(nn.Module):
    """The image as its own single feature layer."""

    def forward(self, image: Tensor) -> list[Tensor]:
        """The image."""
        return [image]


class PerceptualLoss:
    """Distances in the layers of a fixed network, summed over layers of weight 1.

    Not a module: the network is in no checkpoint, no optimiser and no train-mode switch of whoever uses it.
    """

    def __init__(self, kind: PerceptualKind) -> None:
        """Load the network.

        Raises:
            ReenactError: if its weights are not on this machine, or damaged.
        """
        self.kind = kind
        self._network: nn.Module = {"vgg19": Vgg19Features, "probe": ProbeFeatures, "pixels": PixelFeatures}[kind]()

    def distance(self, fake: Tensor, real: Tensor) -> Tensor:
        """Sum over layers of the mean absolute difference of images (B, 3, H, W) in [0, 1]."""
        self._network.to(fake.device)
        with torch.no_grad():
            wanted = self._network(real)
        terms = [F.l1_loss(a, b) for a, b in zip(self._network(fake), wanted, strict=True)]
        return sum(terms[1:], start=terms[0])

    def pyramid(self, fakes: Sequence[Tensor], reals: Sequence[Tensor]) -> Tensor:
        """Sum of the distances over the levels of a pyramid."""
        terms = [self.distance(fake, real) for fake, real in zip(fakes, reals, strict=True)]
        return sum(terms[1:], start=terms[0])
