"""Causal smoothing of face parameters over time."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from reenact.faces.params import FaceParams
from reenact.tracking.face_clip import FaceClip

Smoothing = Literal["one_euro", "none"]
"""Filter over time."""
MOTION_FIELDS = ("expression", "global_pose", "neck_pose", "jaw_pose", "eye_pose", "camera")


class OneEuro:
    """The one-euro filter at `beta` 0, as in GDPW's demo: y_t = a x_t + (1 - a) y_{t-1}, the first frame as it is.

    At the demo's `min_cutoff` of 0.5 a frame, a = 2 pi c / (2 pi c + 1) = 0.7585. Rotations are filtered component by
    component, which is accurate for the small steps between frames. Shape and everything still is left alone.

    Args:
        min_cutoff: Cut-off frequency in cycles a frame; lower is smoother and later.
    """

    def __init__(self, min_cutoff: float = 0.5) -> None:
        rate = 2 * math.pi * min_cutoff
        self.weight = rate / (rate + 1)
        self._last: dict[str, Tensor] = {}

    def __call__(self, params: FaceParams) -> FaceParams:
        """Filter the next frames (B, ...) of the clip."""
        return replace(params, **{name: self._filter(name, getattr(params, name)) for name in MOTION_FIELDS})

    def _filter(self, name: str, values: Tensor) -> Tensor:
        last = self._last.get(name, values[0])
        smooth = []
        for value in values:
            last = torch.lerp(last, value, self.weight)
            smooth.append(last)
        self._last[name] = last
        return torch.stack(smooth)


def smooth_clip(clip: FaceClip, smoothing: Smoothing) -> FaceClip:
    """Steady the face of each shot; a filter that went through a cut would move the one face into the other."""
    if smoothing == "none" or clip.params is None:
        return clip
    edges = itertools.pairwise([0, *clip.cuts, len(clip)])
    return replace(clip, params=FaceParams.cat([OneEuro()(clip.params[start:end]) for start, end in edges]))
