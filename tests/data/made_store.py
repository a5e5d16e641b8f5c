"""A small store with random parameters: frame k of clip c is one grey level."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from media.made_videos import grey

from reenact.data.store.clip_arrays import ClipArrays, list_fields
from reenact.data.store.reader import ClipRecord, StoreInfo
from reenact.data.store.writer import StoreWriter
from reenact.faces.params import FaceParams

SIZE = 32
RECORD = ClipRecord(
    name="",
    split="train",
    identity="",
    status="ok",
    reason="",
    source="raw.mp4",
    key="key",
    num_frames=0,
    fps=Fraction(30000, 1001),
    source_width=64,
    source_height=64,
    error=0.02,
    seconds={"track": 1.5},
)


def made_arrays(frames: int, seed: int = 0) -> ClipArrays:
    generator = torch.Generator().manual_seed(seed)

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    params = FaceParams(
        shape=random(1, 10).expand(frames, -1),
        expression=random(frames, 5),
        global_pose=random(frames, 3),
        neck_pose=random(frames, 3),
        jaw_pose=random(frames, 3),
        eye_pose=random(frames, 6),
        camera=random(frames, 3),
    )
    landmarks = random(frames, 68, 2).numpy() + 16
    return ClipArrays(
        crop=np.array([[1.0, 2.0, 40.0, SIZE]]), visible=np.ones(frames, np.bool_), landmarks=landmarks, params=params
    )


def made_writer(root: Path) -> StoreWriter:
    return StoreWriter(root, StoreInfo("head", SIZE, {"crop": "fomm"}, list_fields(made_arrays(2))))


def add_clip(
    writer: StoreWriter, name: str, frames: int = 12, split: str = "train", arrays: ClipArrays | None = None
) -> ClipRecord:
    record = replace(RECORD, name=name, identity=name.partition("#")[0], split=split, num_frames=frames)
    pictures = (grey(number, SIZE, SIZE) for number in range(frames))
    writer.add(record, pictures, arrays or made_arrays(frames, len(name)))
    return record


def made_store(root: Path, identities: int = 4, clips: int = 2, split: str | None = None) -> Path:
    """Identities `p0`, `p1`, ... of some clips each; the last two are the test split unless all have one split."""
    writer = made_writer(root)
    for identity in range(identities):
        for clip in range(clips):
            part = split or ("test" if identity >= identities - 2 else "train")
            add_clip(writer, f"p{identity}#{clip}", 12 + identity, part)
    return root
