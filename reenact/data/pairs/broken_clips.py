"""Clips that vanish or break while a run goes on: counted over all loading processes, up to a share."""

from __future__ import annotations

import logging
import math

import torch

from reenact.errors import ReenactError

LOG = logging.getLogger("reenact")
ATTEMPTS = 64
"""Draws for one sample before the last error ends the run."""


class BrokenClips:
    """Marks of what could not be read, in memory that loading processes share.

    No draw depends on the marks: a sample is replaced by what its own number says, so that a resumed run replaces it
    alike.

    Args:
        count: Number of clips or pairs.
        share: Share of them, rounded up, that may be unreadable before the run stops; 0 stops at the first.
        plural: Word for them in messages.
    """

    def __init__(self, count: int, share: float, plural: str = "clips") -> None:
        self._marks = torch.zeros(count, dtype=torch.uint8).share_memory_()  # type: ignore[no-untyped-call]
        self._most = math.ceil(share * count)
        self._plural = plural

    @property
    def tolerant(self) -> bool:
        """Tell if anything may be unreadable."""
        return self._most > 0

    def __len__(self) -> int:
        """Number of marks."""
        return int(self._marks.sum())

    def mark(self, number: int, error: ReenactError) -> None:
        """Count an unreadable clip once, and log it.

        Raises:
            ReenactError: if there are more than the share allows.
        """
        if self._marks[number]:
            return
        self._marks[number] = 1
        share = f"{len(self)} of {len(self._marks)} {self._plural} can't be read"
        if len(self) > self._most:
            raise ReenactError(f"{error} ({share}: raise --data.max_broken to train without them)") from error
        LOG.warning("%s (%s so far: left out of training)", error, share)
