"""Facts that follow from a mesh's triangles alone, computed once per `faces` tensor."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

Array = np.ndarray[Any, Any]


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


def _opposite_vertices(faces: Array) -> Array:
    """Far vertices (F, 3) across each edge; see `Topology.opposite`."""
    proper = (faces != np.roll(faces, 1, axis=1)).all(axis=1)
    apexes = faces[proper].ravel()
    ends = np.stack([np.roll(faces[proper], -1, axis=1).ravel(), np.roll(faces[proper], -2, axis=1).ravel()])
    span = int(faces.max(initial=0)) + 1
    edge, name = np.unique(ends.min(axis=0) * span + ends.max(axis=0), return_inverse=True)
    # One line per edge and distinct far vertex, in the order in which the faces name them.
    _, first_seen = np.unique(name * span + apexes, return_index=True)
    first_seen = first_seen[np.lexsort((first_seen, name[first_seen]))]
    place = np.arange(len(first_seen)) - np.searchsorted(name[first_seen], name[first_seen])
    edge_apexes = np.full((len(edge), 2), -1, dtype=np.int64)
    selected = first_seen[place < 2]
    edge_apexes[name[selected], place[place < 2]] = apexes[selected]
    opposite = np.full(faces.shape, -1, dtype=np.int64)
    face_apexes = edge_apexes[name]
    across = np.where(
        face_apexes[:, 0] == apexes, face_apexes[:, 1], np.where(face_apexes[:, 1] == apexes, face_apexes[:, 0], -1)
    )
    opposite[proper] = across.reshape(-1, 3)
    return opposite


_KNOWN: WeakTensorKeyDictionary = WeakTensorKeyDictionary()


def topology_of(faces: Tensor) -> Topology:
    """The topology of `faces`, remembered for as long as that tensor lives unchanged."""
    version = 0 if faces.is_inference() else faces._version
    entry: tuple[int, Topology] | None = _KNOWN.get(faces)  # type: ignore[no-untyped-call]
    if entry is None or entry[0] != version:
        entry = (version, Topology(faces))
        _KNOWN[faces] = entry
    return entry[1]
