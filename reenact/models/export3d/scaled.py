"""Layers with an equalised learning rate and the filter between sizes, as StyleGAN2 has them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.2
"""Negative slope of leaky ReLUs."""


class ScaledConv2d(nn.Conv2d):
    """A convolution whose weights are N(0, 1) and scaled where they are used, and a leaky ReLU that keeps the variance.

    Args:
        inside: channels that come in.
        width: channels that go out.
        kernel: side of the kernel.
        active: apply the leaky ReLU.
        halves: halve the size, after the filter.
        bias: add a bias.
    """

    def __init__(
        self, inside: int, width: int, kernel: int, active: bool = True, halves: bool = False, bias: bool = True
    ) -> None:
        super().__init__(inside, width, kernel, bias=bias)
        self.active = active
        self.halves = halves

    def reset_parameters(self) -> None:
        """Draw the weights from N(0, 1), and set the biases to zero."""
        nn.init.normal_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Apply it."""
        weight = self.weight * self.weight[0].numel() ** -0.5
        padding = self.kernel_size[0] // 2
        if self.halves:
            x = filter_maps(x, padding + 1)
            x = F.conv2d(x, weight, self.bias, 2)
        else:
            x = F.conv2d(x, weight, self.bias, padding=padding)
        return activate(x) if self.active else x


class SlowLinear(nn.Linear):
    """A linear layer that learns at a share of the rate, and a leaky ReLU that keeps the variance.

    Args:
        inside: values that come in.
        width: values that go out.
        rate: share of the learning rate.
        active: apply the leaky ReLU.
    """

    def __init__(self, inside: int, width: int, rate: float = 1.0, active: bool = True) -> None:
        self.rate = rate
        super().__init__(inside, width)
        self.active = active

    def reset_parameters(self) -> None:
        """Draw the weights from N(0, 1 / rate^2), and set the biases to zero."""
        nn.init.normal_(self.weight, std=1 / self.rate)
        nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Apply it to (..., C)."""
        x = F.linear(x, self.weight * (self.rate * self.in_features**-0.5), self.bias * self.rate)
        return activate(x) if self.active else x


def activate(x: Tensor) -> Tensor:
    """Leaky ReLU that keeps the variance."""
    return F.leaky_relu(x, SLOPE) * 2**0.5


def filter_maps(x: Tensor, padding: int) -> Tensor:
    """Maps smoothed by the filter (1, 3, 3, 1) / 8 after zeros around them, 3 pixels smaller than with those."""
    channels = x.shape[1]
    return F.conv2d(x, build_filter(x).expand(channels, 1, 4, 4), padding=padding, groups=channels)


def build_filter(like: Tensor) -> Tensor:
    """The filter (4, 4) of sum 1."""
    row = torch.tensor([1.0, 3.0, 3.0, 1.0], device=like.device, dtype=like.dtype) / 8
    return row[:, None] * row
