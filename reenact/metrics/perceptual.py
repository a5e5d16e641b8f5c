"""LPIPS, of the package `lpips` with its own heads, and the same distance in the layers of the probe."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reenact import assets
from reenact.errors import ReenactError
from reenact.estimators.weights import load_strictly, read_weights
from reenact.install import install_hint
from reenact.metrics.frame_metric import FrameMetric
from reenact.metrics.scene import Frames, Reader

Backbone = Literal["alex", "vgg", "squeeze"]
BACKBONES: Final[dict[Backbone, str]] = {"alex": "alexnet", "vgg": "vgg16", "squeeze": "squeezenet"}
"""Backbone as LPIPS calls it -> the asset."""


def layer_distance(first: list[Tensor], second: list[Tensor]) -> Tensor:
    """(B,) squared difference of unit-length features, mean over places and summed over layers.

    LPIPS (Zhang et al. 2018, eq. 1) without the learnt weights: every channel counts alike, over the number of
    channels.

    Args:
        first: Layers (B, C, H, W) of a network.
        second: The same of other pictures.
    """
    maps = _map_unit_differences(first, second)
    return torch.stack([values.mean((1, 2)) / a.shape[1] for values, a in zip(maps, first, strict=True)]).sum(0)


def map_layer_distances(first: list[Tensor], second: list[Tensor]) -> list[Tensor]:
    """Maps (B, H, W) of each layer whose means add to `layer_distance`."""
    return [values / a.shape[1] for values, a in zip(_map_unit_differences(first, second), first, strict=True)]


def _map_unit_differences(first: list[Tensor], second: list[Tensor]) -> Iterator[Tensor]:
    """Squared differences (B, H, W) in float64 of the unit-length features of each layer."""
    # |a/|a| - b/|b||^2 = 2 - 2 cos: one pass over the layers, and no copy of them
    for a, b in zip(first, second, strict=True):
        lengths = (a.square().sum(1) * b.square().sum(1)).sqrt().clamp_min(1e-12)
        cosines = (a * b).sum(1) / lengths
        yield 2 - 2 * cosines.double()


class LayerDistance(FrameMetric):
    """`lpips[probe]`: `layer_distance` of what a reader gives as layers.

    Args:
        reader: Gives the layers of pictures.
    """

    higher_is_better = False

    def __init__(self, reader: Reader[list[Tensor]]) -> None:
        super().__init__(f"lpips[{reader.name}]", "target")
        self._reader = reader

    def values(self, generated: Frames, reference: Frames) -> Tensor:
        """(B,) distances."""
        return layer_distance(generated.read(self._reader), reference.read(self._reader))


def weighted_distance(first: list[Tensor], second: list[Tensor], heads: list[Tensor]) -> Tensor:
    """(B,) LPIPS: Zhang et al. 2018, eq. 1, of features brought to unit length at each place.

    sum w (a/|a| - b/|b|)^2 is taken apart into its three sums, so that no layer is copied.

    Args:
        first: Layers (B, C, H, W) of a network.
        second: The same of other pictures.
        heads: (C,) weights of the squared differences, of each layer.
    """
    maps = map_weighted_distances(first, second, heads)
    return torch.stack([places.mean((1, 2), dtype=torch.float64) for places in maps]).sum(0)


def map_weighted_distances(first: list[Tensor], second: list[Tensor], heads: list[Tensor]) -> Iterator[Tensor]:
    """Map (B, H, W) of each layer whose means add to `weighted_distance`, of the same arguments."""
    for a, b, head in zip(first, second, heads, strict=True):
        (length_a, own_a), (length_b, own_b) = (_weigh_layer(layer, head) for layer in (a, b))
        both = F.conv2d(a * b, head[None, :, None, None]).squeeze(1)
        places = own_a / length_a.square() + own_b / length_b.square() - 2 * both / (length_a * length_b)
        yield places.clamp_min(0)


def _weigh_layer(layer: Tensor, head: Tensor) -> tuple[Tensor, Tensor]:
    """(B, H, W) length over the channels of a layer (B, C, H, W), and the weighted sum of squares."""
    kernel = torch.stack([torch.ones_like(head), head])[:, :, None, None]
    squares, weighed = F.conv2d(layer.square(), kernel).unbind(1)
    # lengths as the package has them: 1e-10 is added behind the root
    return squares.sqrt() + 1e-10, weighed


class LPIPS(FrameMetric):
    """`lpips[alex]`, `lpips[vgg]`, `lpips[squeeze]`: version 0.1 of the package `lpips`, see `weighted_distance`.

    Args:
        backbone: The network.
    """

    higher_is_better = False

    def __init__(self, backbone: Backbone) -> None:
        super().__init__(f"lpips[{backbone}]", "target")
        self._reader = backbone_layers(backbone)

    def values(self, generated: Frames, reference: Frames) -> Tensor:
        """(B,) distances."""
        heads = self._reader.heads(generated.image.device)
        return weighted_distance(generated.read(self._reader), reference.read(self._reader), heads)


@dataclass(frozen=True, eq=False)
class BackboneLayers:
    """The layers that LPIPS compares."""

    name: Backbone

    def __call__(self, image: Tensor) -> list[Tensor]:
        """Layers (B, C, H, W) of pictures (B, 3, H, W) in [-1, 1]."""
        network = self.network(image.device)
        return list(network.net(network.scaling_layer(image)))

    def network(self, device: torch.device) -> Any:  # noqa: ANN401  # lpips has no types
        """The package's own, on a device."""
        return _build_lpips(self.name).to(device)

    def heads(self, device: torch.device) -> list[Tensor]:
        """(C,) weights of the squared differences, of each layer."""
        return [layer.model[-1].weight.flatten() for layer in self.network(device).lins]


@cache
def backbone_layers(backbone: Backbone) -> BackboneLayers:
    """The reader of a backbone; the same for all that need it."""
    return BackboneLayers(backbone)


@cache
def _build_lpips(backbone: Backbone) -> nn.Module:
    """The package's network: its own heads, and the backbone of torchvision's file; never downloads.

    Raises:
        ReenactError: if the package or the file is missing, or the file is damaged.
    """
    path = assets.require_asset(BACKBONES[backbone])
    try:
        import lpips
    except ImportError as error:
        raise ReenactError(f"LPIPS needs the package lpips: {install_hint('metrics')}") from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it asks torchvision for the network in the words of old
        network: nn.Module = lpips.LPIPS(net=backbone, pnet_rand=True, verbose=False)
    body = network.get_submodule("net")
    # the package cuts torchvision's `features` into slices and keeps their numbers
    backbone_names = {name: f"features.{name.partition('.')[2]}" for name in body.state_dict()}
    state = read_weights(path)
    load_strictly(body, {name: state[key] for name, key in backbone_names.items() if key in state}, path, "features")
    return network.eval().requires_grad_(False)
