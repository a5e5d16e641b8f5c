"""Metrics of how a video moves: flicker and jitter, which no single frame shows."""

from __future__ import annotations

import torch
from torch import Tensor


def flicker(generated: Tensor, reference: Tensor) -> Tensor:
    """(T - 1,) how differently two videos change from frame to frame, on the scale [0, 1].

    Mean absolute difference of the two frame differences: 0 where the generated video changes as the reference does,
    whether or not it looks like it.

    Args:
        generated: (T, 3, H, W) in [-1, 1], consecutive frames.
        reference: The same frames of the driving video.
    """
    return (generated.diff(dim=0) - reference.diff(dim=0)).abs().flatten(1).double().mean(1) / 2


def jitter(landmarks: Tensor) -> Tensor:
    """(T - 2,) mean length of the landmarks' second difference, in pixels of a picture of 256.

    Trembling that the driving video has too is no fault: compare with its own jitter.

    Args:
        landmarks: (T, N, 2) in normalised device coordinates, of consecutive frames.
    """
    bend = landmarks.double().diff(n=2, dim=0)
    length: Tensor = torch.linalg.vector_norm(bend, dim=-1).mean(-1)
    return length * 128
