"""LivePortrait's three small networks: stitching, and openings of eyes and lips (`stitching_retargeting_network.py`).

Each gives offsets of driving keypoints. They have no other inputs than keypoints (..., K, 3) and openings.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

STITCHING_WIDTHS = (128, 128, 64)
"""Channels between the layers of the stitching network."""
EYE_WIDTHS = (256, 256, 128, 128, 64)
"""Channels of the network of the eyes."""
LIP_WIDTHS = (128, 128, 64)
"""Channels of the network of the lips."""


class OffsetNetwork(nn.Module):
    """Linear layers with ReLU between them, from vectors (..., inputs) to offsets (..., outputs).

    The last layer starts at zero, so that an untrained network moves nothing; this start is our own.
    """

    def __init__(self, inputs: int, widths: Sequence[int], outputs: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for a, b in pairwise((inputs, *widths)):
            layers += [nn.Linear(a, b), nn.ReLU()]
        last = nn.Linear(widths[-1], outputs)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.mlp = nn.Sequential(*layers, last)

    @property
    def is_trained(self) -> bool:
        """False as long as it moves nothing, as a fresh network; reads the weights of the last layer."""
        last = self.mlp[-1]
        return any(bool(parameter.any()) for parameter in last.parameters())

    def forward(self, vector: Tensor) -> Tensor:
        """Apply the layers."""
        out: Tensor = self.mlp(vector)
        return out


class StitchingNetworks(nn.Module):
    """The three networks of one set of weights.

    Args:
        keypoints: K.
    """

    def __init__(self, keypoints: int) -> None:
        super().__init__()
        values = 3 * keypoints
        self.stitching = OffsetNetwork(2 * values, STITCHING_WIDTHS, values + 2)
        self.eyes = OffsetNetwork(values + 3, EYE_WIDTHS, values)
        self.lips = OffsetNetwork(values + 2, LIP_WIDTHS, values)

    def stitch_offsets(self, source: Tensor, driving: Tensor) -> Tensor:
        """Offsets (..., K, 3) with which the shoulders of driving keypoints (..., K, 3) stay the source's.

        Args:
            source: keypoints of leading dimensions that broadcast to the driving ones'.
            driving: keypoints that the source is moved to.
        """
        out = self.stitching(torch.cat((source.expand_as(driving).flatten(-2), driving.flatten(-2)), dim=-1))
        offsets = out[..., :-2].reshape(driving.shape)
        moved: Tensor = offsets + F.pad(out[..., None, -2:], (0, 1))
        return moved

    def eye_offsets(self, source: Tensor, openings: Tensor, target: Tensor) -> Tensor:
        """Offsets (..., K, 3) that open the eyes of a source to a target.

        Args:
            source: keypoints (..., K, 3).
            openings: (..., 2) of its eyes.
            target: (..., 1) opening of both eyes, of leading dimensions that broadcast.
        """
        return _call_network(self.eyes, source, openings, target)

    def lip_offsets(self, source: Tensor, opening: Tensor, target: Tensor) -> Tensor:
        """Offsets (..., K, 3) that open the lips of a source of an opening (..., 1) to a target (..., 1)."""
        return _call_network(self.lips, source, opening, target)


def _call_network(network: OffsetNetwork, source: Tensor, openings: Tensor, target: Tensor) -> Tensor:
    leading = torch.broadcast_shapes(source.shape[:-2], target.shape[:-1])  # type: ignore[no-untyped-call]
    vectors = (source.flatten(-2), openings, target)
    expanded = [vector.expand(*leading, vector.shape[-1]) for vector in vectors]
    offsets: Tensor = network(torch.cat(expanded, dim=-1))
    return offsets.view(*leading, *source.shape[-2:])
