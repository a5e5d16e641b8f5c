"""Residual bottlenecks, of which Face-vid2vid's and MMFA's estimators of pose and expression are made."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn


class ResBottleneck(nn.Module):
    """1 x 1 down to a quarter, 3 x 3, 1 x 1 up, beside the input: (B, in, H, W) to (B, out, H / stride, W / stride).

    Names are those of Face-vid2vid's reimplementation (`modules/util.py`), whose blocks have equal widths; a projection
    stands beside the block where stride or widths change.
    """

    def __init__(self, channels_in: int, channels_out: int, stride: int = 1) -> None:
        super().__init__()
        inner = channels_out // 4
        self.conv1 = nn.Conv2d(channels_in, inner, 1)
        self.conv2 = nn.Conv2d(inner, inner, 3, stride=stride, padding=1)
        self.conv3 = nn.Conv2d(inner, channels_out, 1)
        self.norm1 = nn.BatchNorm2d(inner)
        self.norm2 = nn.BatchNorm2d(inner)
        self.norm3 = nn.BatchNorm2d(channels_out)
        self.projected = stride != 1 or channels_in != channels_out
        if self.projected:
            self.skip = nn.Conv2d(channels_in, channels_out, 1, stride=stride)
            self.norm4 = nn.BatchNorm2d(channels_out)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        y = F.relu(self.norm1(self.conv1(x)))
        y = F.relu(self.norm2(self.conv2(y)))
        y = self.norm3(self.conv3(y))
        if self.projected:
            x = self.norm4(self.skip(x))
        return F.relu(y + x)


class Trunk(nn.Module):
    """The ResNet of bottlenecks that estimates a head (`HEEstimator` of the reimplementation, without its heads).

    Args:
        stem: channels after the first convolution.
        widths: channels at strides 4, 8, 16 and 32.
    """

    def __init__(self, stem: int, widths: Sequence[int]) -> None:
        super().__init__()
        a, b, c, d = widths
        self.conv1, self.norm1 = nn.Conv2d(3, stem, 7, stride=2, padding=3), nn.BatchNorm2d(stem)
        for number, (inside, outside) in enumerate(((stem, a), (a, b), (b, c), (c, d)), 2):
            setattr(self, f"conv{number}", nn.Conv2d(inside, outside, 1))
            setattr(self, f"norm{number}", nn.BatchNorm2d(outside))
        for number, (width, blocks) in enumerate(((a, 3), (b, 3), (c, 5), (d, 2))):
            chain = nn.Sequential()
            for index in range(blocks):
                chain.add_module(f"b{2 * number + 1}_{index}", ResBottleneck(width, width))
            setattr(self, f"block{2 * number + 1}", chain)
            if number:
                setattr(self, f"block{2 * number}", ResBottleneck(width, width, 2))

    def features(self, image: Tensor) -> Tensor:
        """(B, last width) of images (B, 3, H, W) in [0, 1]."""
        x = F.max_pool2d(F.relu(self.norm1(self.conv1(image))), 3, stride=2, padding=1)
        for number in range(4):
            conv, norm = getattr(self, f"conv{number + 2}"), getattr(self, f"norm{number + 2}")
            x = F.relu(norm(conv(x)))
            if number:
                x = getattr(self, f"block{2 * number}")(x)
            x = getattr(self, f"block{2 * number + 1}")(x)
        return x.mean((2, 3))
