"""Residual bottlenecks, of which Face-vid2vid's and MMFA's estimators of pose and expression are made."""

from __future__ import annotations

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
