"""LPIPS, of the package `lpips` with its own heads, and the same distance in the layers of the probe."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from reenact.metrics.frame_metric import FrameMetric
from reenact.metrics.scene import Frames, Reader


def layer_distance(first: list[Tensor], second: list[Tensor]) -> Tensor:
    """(B,) squared difference of unit-length features, mean over places and summed over layers.

    LPIPS (Zhang et al. 2018, eq. 1) without the learnt weights: every channel counts alike, over the number of
    channels.

    Args:
        first: Layers (B, C, H, W) of a network.
        second: The same of other pictures.
    """
    terms = [
        (F.normalize(a.double(), dim=1) - F.normalize(b.double(), dim=1)).square().mean((1, 2, 3))
        for a, b in zip(first, second, strict=True)
    ]
    return torch.stack(terms).sum(0)


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
