"""Perceptual losses: distances between images in the layers of a fixed network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from reenact import assets
from reenact.errors import ReenactError
from reenact.nn.probe import load_probe

PerceptualKind = Literal["imagenet", "vggface", "probe", "pixels", "none"]
"""VGG-19 of ImageNet; VGG-16 of faces; the probe that the package ships; the pixels themselves; or no such term."""

LEAST_SIDES: dict[PerceptualKind, int] = {"imagenet": 16, "vggface": 16}
"""Sides in pixels of the smallest image that a network's deepest layer has a pixel of."""
VGG19_CUTS = (2, 7, 12, 21, 30)
"""Ends of relu1_1, 2_1, 3_1, 4_1, 5_1 in torchvision's `vgg19().features`."""
VGG16_CUTS = (2, 7, 12, 19, 26)
"""Ends of relu1_1, 2_1, 3_1, 4_1, 5_1 in `vgg16().features`."""
VGGFACE_MEAN = (129.1863, 104.7624, 93.5940)
"""Mean R, G and B of `vgg_face_dag.pth`, on the scale 0 to 255, which is the network's."""


class VggFeatures(nn.Module):
    """relu1_1, 2_1, 3_1, 4_1 and 5_1 of a VGG, for images (B, 3, H, W) in [0, 1].

    Args:
        layers: the network's convolutions, activations and poolings.
        cuts: where each of the five ends.
        mean: of R, G and B, which inputs are brought to zero by.
        std: what they are divided by.
        weights: of the five layers in a distance.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        layers: nn.Sequential,
        cuts: Sequence[int],
        mean: Sequence[float],
        std: Sequence[float],
        weights: Sequence[float] = (1.0,) * 5,
    ) -> None:
        super().__init__()
        self.weights = tuple(weights)
        self.slices = nn.ModuleList(layers[a:b] for a, b in pairwise((0, *cuts)))
        for module in self.modules():
            if isinstance(module, nn.ReLU):
                module.inplace = False  # the slice before keeps its output
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1))
        self.eval().requires_grad_(False)

    def forward(self, image: Tensor) -> list[Tensor]:
        """The five layers, finest first."""
        features = [(image - self.mean) / self.std]
        for part in self.slices:
            features.append(part(features[-1]))
        return features[1:]


def imagenet_features() -> VggFeatures:
    """VGG-19 of ImageNet, from torchvision's file; raises `ReenactError` if it is absent or damaged."""
    from torchvision.models import vgg19  # imported late: it takes seconds

    network = vgg19(weights=None, init_weights=False)
    network.load_state_dict(_read_weights("vgg19"))
    return VggFeatures(network.features, VGG19_CUTS, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def vggface_features() -> VggFeatures:
    """VGG-16 that tells 2,622 people apart, from `vgg_face_dag.pth`; raises `ReenactError` if it is absent or damaged.

    Layers weigh 1/32, 1/16, 1/8, 1/4 and 1 in a distance, over 255 for the scale of the input, as in the open
    reimplementation of Face-vid2vid whose losses MMFA names.
    """
    from torchvision.models import vgg16

    layers = vgg16(weights=None, init_weights=False).features
    state = _read_weights("vggface")
    convolutions = [layer for layer in layers if isinstance(layer, nn.Conv2d)]
    for name, layer in zip(VGG16_CONVOLUTIONS, convolutions, strict=True):
        layer.load_state_dict({part: state[f"{name}.{part}"] for part in ("weight", "bias")})
    weights = [weight / 255 for weight in (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1)]
    return VggFeatures(layers, VGG16_CUTS, [value / 255 for value in VGGFACE_MEAN], [1 / 255] * 3, weights)


VGG16_CONVOLUTIONS = [f"conv{block}_{n}" for block, count in enumerate((2, 2, 3, 3, 3), 1) for n in range(1, count + 1)]
"""Names of the convolutions in `vgg_face_dag.pth`."""


def _read_weights(asset: str) -> dict[str, Tensor]:
    path = assets.require_asset(asset)
    try:
        weights: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the unpickler raises whatever a broken file makes it stumble over
        raise ReenactError(
            f"{path} is damaged: remove it and fetch it again ({assets.ASSETS[asset].source})"
        ) from error
    return weights


class ProbeFeatures(nn.Module):
    """The probe's layers at strides 2 to 32, for images (B, 3, H, W) in [0, 1]; small images are not resized."""

    weights = (1.0,) * 5

    def __init__(self) -> None:
        super().__init__()
        self.probe = load_probe()

    def forward(self, image: Tensor) -> list[Tensor]:
        """The five layers, finest first."""
        return self.probe.features(image * 2 - 1)


class PixelFeatures(nn.Module):
    """The image as its own single feature layer."""

    weights = (1.0,)

    def forward(self, image: Tensor) -> list[Tensor]:
        """The image."""
        return [image]


def assets_of(kind: PerceptualKind) -> tuple[str, ...]:
    """Names in `reenact.assets` of the files that a kind needs."""
    return {"imagenet": ("vgg19",), "vggface": ("vggface",)}.get(kind, ())


FEATURES: dict[str, Callable[[], VggFeatures | ProbeFeatures | PixelFeatures]] = {
    "imagenet": imagenet_features,
    "vggface": vggface_features,
    "probe": ProbeFeatures,
    "pixels": PixelFeatures,
}
