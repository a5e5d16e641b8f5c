"""The probe: one small network that reads a portrait of the built-in head: landmarks, face parameters, identity.

It is trained on the synthetic world (`reenact fit --model probe`) and shipped with the package, so that scores and a
perceptual loss exist where no downloaded weights do. What it says of real photographs is not calibrated.

Convention: landmarks and the camera are in normalised device coordinates of the square image (x right, y down; [-1, 1]
spans it edge to edge, `align_corners=False`). Rotations are matrices in the head's model space (`faces.rotation`).
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass
from typing import Final

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from reenact.nn.probe_file import WEIGHTS

SIDE: Final = 128
"""Side in pixels of the images that the network reads; others are resized."""
REACH: Final = 1.1
"""Landmarks lie between -REACH and REACH in normalised device coordinates."""
POINT_CHANNELS: Final = 20
"""Channels of the features read at each landmark."""


@dataclass(frozen=True)
class ProbeReading:
    """Landmarks, rotation, coefficients and embedding that the probe reads in B images."""

    landmarks: Tensor
    """(B, 68, 2) iBUG-68 points in normalised device coordinates."""
    rotation: Tensor
    """(B, 3, 3) rotation of the head as a whole: neck and root together."""
    coefficients: Tensor
    """(B, N) the other face parameters, as `faces.vector` lays them out."""
    embedding: Tensor
    """(B, 128) identity, of unit length."""


class Residual(nn.Module):
    """Two 3 x 3 convolutions beside the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = _build_convolution(channels, channels)
        self.second = _build_convolution(channels, channels, active=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        out: Tensor = F.relu(x + self.second(self.first(x)))
        return out


class Probe(nn.Module):
    """A residual network with five strides, a pyramid down to stride 4 for landmarks, and heads on both.

    Args:
        coefficients: Face parameters to read (`faces.vector`); those of the built-in head by default.
        widths: Channels at strides 2, 4, 8, 16 and 32.
        pyramid: Channels of the pyramid.
        embedding: Length of the identity vector.
    """

    mean: Tensor
    scale: Tensor

    def __init__(
        self,
        coefficients: int = 113,
        widths: tuple[int, ...] = (32, 48, 96, 160, 192),
        pyramid: int = 64,
        embedding: int = 128,
    ) -> None:
        super().__init__()
        self.stem = _build_convolution(3, widths[0], stride=2)
        self.stages = nn.ModuleList(
            nn.Sequential(_build_convolution(a, b, stride=2), Residual(b)) for a, b in itertools.pairwise(widths)
        )
        self.lateral = nn.ModuleList(nn.Conv2d(width, pyramid, 1) for width in widths[1:])
        self.smooth = _build_convolution(pyramid, pyramid)
        self.heatmaps = nn.Conv2d(pyramid, 68, 1)
        self.points = nn.Conv2d(pyramid, POINT_CHANNELS, 1)
        pooled = widths[-1] + widths[-2]
        self.parameters_head = nn.Sequential(
            nn.Linear(68 * (POINT_CHANNELS + 2) + pooled, 256), nn.ReLU(), nn.Linear(256, 6 + coefficients)
        )
        self.identity_head = nn.Linear(pooled, embedding, bias=False)
        self.identity_norm = nn.BatchNorm1d(embedding, affine=False)
        # Coefficients are learnt in units of their spread over the training set.
        self.register_buffer("mean", torch.zeros(coefficients))
        self.register_buffer("scale", torch.ones(coefficients))

    def features(self, image: Tensor) -> list[Tensor]:
        """The layers at strides 2, 4, 8, 16 and 32, finest first.

        Args:
            image: (B, 3, H, W) in [-1, 1]; not resized.
        """
        layers = [self.stem(image)]
        for stage in self.stages:
            layers.append(stage(layers[-1]))
        return layers

    def pooled(self, layers: list[Tensor]) -> Tensor:
        """(B, 352) means over the two coarsest layers: the features of the FID-like distance."""
        return torch.cat([layer.mean((-2, -1)) for layer in layers[-2:]], 1)

    def forward(self, image: Tensor) -> ProbeReading:
        """Read images (B, 3, H, W) in [-1, 1] of any size."""
        return self.read(self.features(resize_to_side(image)))

    def read(self, layers: list[Tensor]) -> ProbeReading:
        """Compute the reading from the layers of a `SIDE` pixel image."""
        pyramid = self.lateral[-1](layers[-1])
        for lateral, layer in zip(reversed(self.lateral[:-1]), reversed(layers[1:-1]), strict=True):
            pyramid = lateral(layer) + F.interpolate(pyramid, scale_factor=2.0, mode="nearest")
        pyramid = self.smooth(pyramid)
        landmarks = centres_of_mass(self.heatmaps(pyramid).float())
        local = F.grid_sample(self.points(pyramid).float(), landmarks[:, None], align_corners=False)
        pooled = self.pooled(layers).float()
        outputs = self.parameters_head(torch.cat([local.flatten(1), landmarks.flatten(1), pooled], 1)).float()
        return ProbeReading(
            landmarks=landmarks,
            rotation=gram_schmidt(outputs[:, :6]),
            coefficients=outputs[:, 6:] * self.scale + self.mean,
            embedding=F.normalize(self.identity_norm(self.identity_head(pooled)).float(), dim=1),
        )


def resize_to_side(image: Tensor) -> Tensor:
    """Images (B, 3, H, W) as the network reads them: square of `SIDE` pixels, smoothed where they shrink."""
    if image.shape[-2:] == (SIDE, SIDE):
        return image
    return F.interpolate(image, (SIDE, SIDE), mode="bilinear", align_corners=False, antialias=True)


def centres_of_mass(logits: Tensor) -> Tensor:
    """(B, N, 2) expected x and y of heat maps (B, N, H, W), in normalised device coordinates times `REACH`."""
    weights = logits.flatten(2).softmax(-1).reshape(logits.shape)
    y, x = (
        torch.arange(1 - size, size, 2, device=logits.device, dtype=logits.dtype) * (REACH / size)
        for size in logits.shape[2:]
    )
    return torch.stack([(weights.sum(2) * x).sum(-1), (weights.sum(3) * y).sum(-1)], -1)


def gram_schmidt(columns: Tensor) -> Tensor:
    """(B, 3, 3) rotations of (B, 6): two columns made orthonormal, zero for the identity.

    Zhou et al., "On the Continuity of Rotation Representations in Neural Networks", CVPR 2019, section 3.
    """
    start = columns + columns.new_tensor([1.0, 0.0, 0.0, 0.0, 1.0, 0.0])
    first = F.normalize(start[:, :3], dim=1)
    second = F.normalize(start[:, 3:] - (first * start[:, 3:]).sum(1, keepdim=True) * first, dim=1)
    return torch.stack([first, second, torch.linalg.cross(first, second)], -1)


def _build_convolution(inputs: int, outputs: int, stride: int = 1, *, active: bool = True) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs)]
    return nn.Sequential(*layers, *([nn.ReLU()] if active else []))


def load_probe() -> Probe:
    """The network that the package ships, frozen and in evaluation mode; the same object at every call."""
    return _load_shipped()


@functools.cache
def _load_shipped() -> Probe:
    probe = Probe()
    probe.load_state_dict({name: value.float() for name, value in load_file(WEIGHTS).items()})
    # A CPU's convolutions are half again as fast in this format.
    return probe.to(memory_format=torch.channels_last).eval().requires_grad_(False)
