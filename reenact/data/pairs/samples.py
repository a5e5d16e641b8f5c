"""Portraits as samples: mirrored, in clips, and stacked into batches."""

from __future__ import annotations

from dataclasses import replace

import torch

from reenact.faces.landmarks import mirror_landmarks
from reenact.faces.params import FaceParams
from reenact.faces.portrait import Portrait, PortraitPair


def mirror(portrait: Portrait, mirrored: bool) -> Portrait:
    """Mirror portraits about the vertical middle, or only record that they are as they were.

    The parameters stay as fitted; `FaceParams.mirrored` tells the face model to mirror the posed mesh.
    """
    params, window = _mark_mirrored(portrait.params, mirrored), _mark_mirrored(portrait.window, mirrored)
    portrait = replace(portrait, params=params, window=window)
    if not mirrored:
        return portrait
    landmarks, mask = portrait.landmarks, portrait.mask
    if landmarks is not None:
        landmarks = mirror_landmarks(landmarks, portrait.image.shape[-1])
    if mask is not None:
        mask = mask.flip(-1)
    return replace(portrait, image=portrait.image.flip(-1), landmarks=landmarks, mask=mask)


def _mark_mirrored(params: FaceParams | None, mirrored: bool) -> FaceParams | None:
    return params and replace(params, mirrored=torch.full(params.camera.shape[:-1], mirrored))


def collate(pairs: list[PortraitPair]) -> PortraitPair:
    """Stack samples into a batch."""
    return PortraitPair.stack(pairs)


def form_clip(portraits: Portrait) -> Portrait:
    """A batch of T pictures of one clip as one sample of T frames."""
    return replace(portraits, identity=portraits.identity[:1], clip=portraits.clip[:1])
