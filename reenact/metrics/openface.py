"""OpenFace's nn4.small2.v1, by whose embeddings the AED of FOMM and its kin is measured; reads `openface.pth`.

Layout: thnkim/OpenFacePytorch, `loadOpenFace.py` (converted from OpenFace's Torch file). Torch's old normalisation over
channels never took the first channel out of its running sums again; torch's of today does, which changes less than the
fifth digit.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from functools import cache
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reenact import assets
from reenact.estimators.weights import load_strictly, read_weights
from reenact.metrics.faces import FaceReading

SIDE: Final = 96
"""Pixels of the network's square input."""
EMBEDDING: Final = 128


class Inception(nn.Module):
    """Branches over one input, joined by channels; names and shapes of the official file.

    Args:
        channels: Of the input.
        kernels: Sizes of the branches of two convolutions.
        reduced: Channels between the two, for each of those branches.
        outputs: Channels of those branches.
        pool: The pooling of the next branch.
        pooled: Channels of the convolution behind it; 0 for none.
        direct: Channels of a last branch of one convolution; 0 for none.
        stride: Of the second convolutions.
    """

    def __init__(
        self,
        channels: int,
        kernels: tuple[int, ...],
        reduced: tuple[int, ...],
        outputs: tuple[int, ...],
        pool: nn.Module,
        pooled: int = 0,
        direct: int = 0,
        stride: int = 1,
    ) -> None:
        super().__init__()
        branches = []
        for kernel, middle, output in zip(kernels, reduced, outputs, strict=True):
            first = _build_block(channels, middle, 1, names=("1_conv", "2_bn", "3_relu"))
            second = _build_block(middle, output, kernel, stride, names=("4_conv", "5_bn", "6_relu"))
            branches.append(nn.Sequential(OrderedDict({**first, **second})))
        after = _build_block(channels, pooled, 1, names=("2_conv", "3_bn", "4_relu")) if pooled else {}
        branches.append(nn.Sequential(OrderedDict({"1_pool": pool, **after})))
        if direct:
            branches.append(
                nn.Sequential(OrderedDict(_build_block(channels, direct, 1, names=("1_conv", "2_bn", "3_relu"))))
            )
        self.seq_list = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, sum of outputs, H', W'); smaller branches are padded by zeros to the largest."""
        outs = [branch(x) for branch in self.seq_list]
        height, width = max(out.shape[2] for out in outs), max(out.shape[3] for out in outs)
        padded = []
        for out in outs:
            down, right = height - out.shape[2], width - out.shape[3]
            padded.append(F.pad(out, (right // 2, right - right // 2, down // 2, down - down // 2)))
        return torch.cat(padded, 1)


class OpenFace(nn.Module):
    """nn4.small2.v1; the numbers of the layers are those of the official file."""

    def __init__(self) -> None:
        super().__init__()
        self.layer1, self.layer2 = nn.Conv2d(3, 64, 7, 2, 3), nn.BatchNorm2d(64)
        self.layer6, self.layer7 = nn.Conv2d(64, 64, 1), nn.BatchNorm2d(64)
        self.layer9, self.layer10 = nn.Conv2d(64, 192, 3, padding=1), nn.BatchNorm2d(192)
        self.layer14 = Inception(192, (3, 5), (96, 16), (128, 32), nn.MaxPool2d(3, 2), 32, 64)
        self.layer15 = Inception(256, (3, 5), (96, 32), (128, 64), nn.LPPool2d(2, 3, 3), 64, 64)
        self.layer16 = Inception(320, (3, 5), (128, 32), (256, 64), nn.MaxPool2d(3, 2), stride=2)
        self.layer17 = Inception(640, (3, 5), (96, 32), (192, 64), nn.LPPool2d(2, 3, 3), 128, 256)
        self.layer18 = Inception(640, (3, 5), (160, 64), (256, 128), nn.MaxPool2d(3, 2), stride=2)
        self.layer19 = Inception(1024, (3,), (96,), (384,), nn.LPPool2d(2, 3, 3), 96, 256)
        self.layer21 = Inception(736, (3,), (96,), (384,), nn.MaxPool2d(3, 2), 96, 256)
        self.layer25 = nn.Linear(736, EMBEDDING)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 128) of unit length, of pictures (B, 3, 96, 96), BGR in [0, 1]."""
        x = F.max_pool2d(F.relu(self.layer2(self.layer1(x))), 3, 2, 1)
        x = F.relu(self.layer7(self.layer6(_normalise_across(x))))
        x = F.max_pool2d(_normalise_across(F.relu(self.layer10(self.layer9(x)))), 3, 2, 1)
        for number in (14, 15, 16, 17, 18, 19, 21):
            x = self.get_submodule(f"layer{number}")(x)
        x = self.layer25(F.avg_pool2d(x, 3, 1).flatten(1))
        unit: Tensor = x / (x.square().sum(1, keepdim=True) + 1e-6).sqrt()
        return unit


@dataclass(frozen=True, eq=False)
class OpenFaceReader:
    """The embedding of the whole frame, unaligned and with B and R exchanged, as pose-evaluation's `extract.py` does.

    Frames are resized without smoothing: the scikit-image of that script did not smooth.
    """

    name: str = "openface"

    def __call__(self, image: Tensor) -> FaceReading:
        """Read pictures (B, 3, H, W) in [-1, 1]."""
        small = F.interpolate(image, (SIDE, SIDE), mode="bilinear", align_corners=False)
        return FaceReading(embedding=_load_network().to(image.device)(small.flip(1).add(1).div(2)))


@cache
def openface_reader() -> OpenFaceReader:
    """The reader that all share."""
    return OpenFaceReader()


@cache
def _load_network() -> OpenFace:
    """The network of the file.

    Raises:
        ReenactError: if the file is missing, damaged or another.
    """
    path = assets.require_asset("openface")
    network = OpenFace()
    state = read_weights(path)
    # the file is older than these counters
    counters = {name: value for name, value in network.state_dict().items() if name.endswith("num_batches_tracked")}
    load_strictly(network, {**counters, **state}, path, "content")
    return network.eval().requires_grad_(False)


def _build_block(
    channels: int, outputs: int, kernel: int, stride: int = 1, *, names: tuple[str, str, str]
) -> dict[str, nn.Module]:
    """A convolution that keeps the size but for its stride, its normalisation, and a ReLU."""
    convolution = nn.Conv2d(channels, outputs, kernel, stride, kernel // 2)
    return dict(zip(names, (convolution, nn.BatchNorm2d(outputs), nn.ReLU()), strict=True))


def _normalise_across(x: Tensor) -> Tensor:
    return F.local_response_norm(x, 5, alpha=1e-4, beta=0.75, k=1.0)
