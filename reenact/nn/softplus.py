"""Softplus by a polynomial, which takes a quarter of the time of PyTorch's on a CPU: logarithms are slow there.

log(1 + exp(x)) is max(x, 0) + log(1 + u) with u = exp(-|x|), and log(1 + u) is 2 artanh(s) with s = u / (2 + u), which
is at most 1/3: s times a polynomial of s^2, whose error is below that of single precision.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

SERIES = (
    2.00000000787775,
    0.666663159350796,
    0.40024853723550613,
    0.2796141883335155,
    0.28174657270747544,
)
"""Coefficients of 2 artanh(s) / s by powers of s^2, by Chebyshev's points of [0, 1/9]; the error is 3e-9."""
PIECE = 1 << 16
"""Numbers that are computed at once, so that they stay in the processor's cache."""


def softplus(x: Tensor) -> Tensor:
    """Softplus of each number of a tensor."""
    if x.device.type != "cpu" or x.dtype != torch.float32:
        return F.softplus(x)
    result: Tensor = _Softplus.apply(x)
    return result


class _Softplus(torch.autograd.Function):
    """Softplus of numbers in single precision on a CPU."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:  # noqa: ANN401 (torch's)
        ctx.save_for_backward(x)
        result = torch.empty_like(x, memory_format=torch.contiguous_format)
        pieces = zip(torch.split(x.flatten(), PIECE), torch.split(result.view(-1), PIECE), strict=True)
        for numbers, out in pieces:
            _fill_softplus(numbers, out)
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # noqa: ANN401 (torch's)
        (x,) = ctx.saved_tensors
        return gradient * torch.sigmoid(x)


def _fill_softplus(x: Tensor, out: Tensor) -> None:
    share = x.abs().neg_().exp_()
    share.div_(share + 2)
    square = share * share
    torch.mul(square, SERIES[-1], out=out)
    for coefficient in SERIES[-2:0:-1]:
        out.add_(coefficient).mul_(square)
    out.add_(SERIES[0]).mul_(share).add_(x.clamp_min(0))
