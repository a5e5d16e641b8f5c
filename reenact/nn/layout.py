"""Order of the values of maps in memory: processors convolve faster where the channels of a pixel are neighbours."""

from __future__ import annotations

import torch
from torch import Tensor


def has_inner_channels(x: Tensor) -> bool:
    """Return True if the channels of a pixel of maps (B, C, H, W) are neighbours in memory."""
    return x.stride(1) == 1 and not x.is_contiguous()


def bring_channels_inside(x: Tensor) -> Tensor:
    """Maps (B, C, H, W) whose channels are innermost, on the processor in 32-bit precision; elsewhere `x` itself."""
    plain = x.device.type != "cpu" or x.dtype != torch.float32 or torch.is_autocast_enabled("cpu")
    return x if plain else x.contiguous(memory_format=torch.channels_last)
