"""What follows from a mesh's triangles alone, computed once per `faces` tensor."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary


class Topology:
    """Index range and edge neighbours of a triangle list.

    Args:
        faces: (F, 3) int64 vertex indices.
    """

    def __init__(self, faces: Tensor) -> None:
        self._device = faces.device
        self._faces = faces.detach().cpu().numpy()
        self.lowest, self.highest = (int(self._faces.min()), int(self._faces.max())) if faces.numel() else (0, -1)

    @cached_property
    def opposite(self) -> Tensor:
        """(F, 3) int64: column k is the far vertex of the neighbour across the edge that faces corner k; -1 if none.

        An edge with more than two faces counts as shared by its first two, as in nvdiffrast, whose hash table keeps
        two distinct far vertices per edge.
        """
        return torch.from_numpy(_opposite_vertices(self._faces)).to(self._device)


def _opposite_vertices(faces: np.ndarray) -> np.ndarray:
    """Far vertices (F, 3) across each edge; see `Topology.opposite`."""
    opposite = np.full(faces.shape, -1, dtype=np.int64)
    far_of_edge: dict[tuple[int, int], list[int]] = {}
    corners = [
        ((min(int(face[k - 2]), int(face[k - 1])), max(int(face[k - 2]), int(face[k - 1]))), int(face[k]), row, k)
        for row, face in enumerate(faces)
        if len(set(face.tolist())) == 3
        for k in range(3)
    ]
    for edge, far, _, _ in corners:
        known = far_of_edge.setdefault(edge, [])
        if len(known) < 2 and far not in known:
            known.append(far)
    for edge, far, row, k in corners:
        known = far_of_edge[edge]
        if len(known) == 2 and far in known:
            opposite[row, k] = known[1 - known.index(far)]
    return opposite


_KNOWN: WeakTensorKeyDictionary = WeakTensorKeyDictionary()


def topology_of(faces: Tensor) -> Topology:
    """The topology of `faces`, remembered for as long as that tensor lives unchanged."""
    version = 0 if faces.is_inference() else faces._version
    known: tuple[int, Topology] | None = _KNOWN.get(faces)
    if known is None or known[0] != version:
        known = (version, Topology(faces))
        _KNOWN[faces] = known
    return known[1]
