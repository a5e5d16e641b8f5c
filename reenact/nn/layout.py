"""Order of the values of maps in memory: processors convolve faster where the channels of a pixel are neighbours."""

from __future__ import annotations

import torch
from torch import Tensor


def has_inner_channels(x: Tensor) -> bool:
    """Return True if the channels of a pixel of maps, or of a voxel of volumes, are neighbours in memory."""
    return x.stride(1) == 1 and not x.is_contiguous()


def bring_channels_inside(x: Tensor) -> Tensor:
    """Maps or volumes with their channels innermost, on the processor in 32-bit precision; elsewhere `x` itself."""
    if x.device.type != "cpu" or x.dtype != torch.float32 or torch.is_autocast_enabled("cpu"):
        return x
    return x.contiguous(memory_format=inner_format(x))


def inner_format(x: Tensor) -> torch.memory_format:
    """Return the memory format of maps (B, C, H, W) or volumes (B, C, D, H, W) with their channels innermost."""
    return torch.channels_last if x.ndim == 4 else torch.channels_last_3d
