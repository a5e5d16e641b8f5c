"""Methods at tiny scale as their presets have them, and people of the synthetic world to train them on."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, Dataset
from zoo import trainer

from reenact import presets
from reenact.data.synthetic.acting import Act
from reenact.data.synthetic.actor import Actor
from reenact.data.synthetic.clips import SyntheticClips
from reenact.data.synthetic.world import World
from reenact.faces.portrait import Portrait, PortraitPair
from reenact.models.checkpoint import _build, _method_class
from reenact.models.module import PortraitModule


def tiny(preset: str, **overrides: Mapping[str, Any]) -> PortraitModule:
    """The module of a preset at tiny scale, with some settings overridden: `losses={"gan": 0.0}`."""
    content = presets.load(presets.find("model", preset))["model"]
    method = presets.method_of(content["class_path"])
    overlays = [presets.load(path)["model"]["init_args"] for path in presets.scale_files("tiny", method, preset)[1:]]
    arguments: dict[str, dict[str, Any]] = {}
    for part in (content.get("init_args", {}), *overlays, overrides):
        for name, values in part.items():
            arguments.setdefault(name, {}).update(values)
    return _build(_method_class(method), arguments, preset)


class People(Dataset[PortraitPair]):
    """Random pairs of frames of some people, drawn once and kept.

    Args:
        identities: which people.
        frames: numbers of the frames of each one's clip.
        size: side of the images.
        batches: of an epoch.
        batch_size: pairs.
    """

    def __init__(self, identities: range, frames: range, size: int, batches: int, batch_size: int) -> None:
        clips = SyntheticClips(0, identities, 1, frames.stop, size)
        self.portraits = Portrait.cat([clips.read(number, frames) for number in range(len(identities))])
        draw = torch.Generator().manual_seed(0)
        count = len(self.portraits.image)
        self.numbers = torch.randint(count, (batches, 2, batch_size), generator=draw)

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, number: int) -> PortraitPair:
        if number >= len(self):
            raise IndexError(number)
        sides = (Portrait(self.portraits.image[side], self.portraits.params[side]) for side in self.numbers[number])
        return PortraitPair(*sides)


class TalkingHeads(Dataset[PortraitPair]):
    """Random pairs of frames of some people's clips, always the same ones; both frames of a pair show one person.

    Args:
        identities: which people.
        frames: numbers of the frames of each one's clip.
        size: side of the images.
        batches: of an epoch.
        batch_size: pairs.
    """

    def __init__(self, identities: range, frames: range, size: int, batches: int, batch_size: int) -> None:
        clips = SyntheticClips(0, identities, 1, frames.stop, size)
        self.clips = [clips.read(number, frames) for number in range(len(identities))]
        self.batches = batches
        self.batch_size = batch_size

    def __len__(self) -> int:
        return self.batches

    def __getitem__(self, number: int) -> PortraitPair:
        draw = random.Random(number)
        clips = [draw.choice(self.clips) for _ in range(self.batch_size)]
        sides = zip(*(draw.sample(range(len(clip.image)), 2) for clip in clips), strict=True)
        source, driving = (Portrait.cat([c[i : i + 1] for c, i in zip(clips, side, strict=True)]) for side in sides)
        return PortraitPair(source, driving)


def train_mmfa(folder: Path, steps: int = 1600) -> Path:
    """A checkpoint of MMFA after some steps of its tiny preset on people of the synthetic world, at 64 pixels."""
    pl.seed_everything(0)
    people = TalkingHeads(range(10_000, 11_000), range(0, 100, 17), 64, steps, 8)
    module = tiny("mmfa", optimisation={"milestones": [steps * 5 // 7, steps * 6 // 7]})
    run = trainer(folder, max_steps=steps, limit_val_batches=0, precision="bf16-mixed")
    run.fit(module, DataLoader(people, batch_size=None))
    run.save_checkpoint(folder / "mmfa.ckpt")
    return folder / "mmfa.ckpt"


@dataclass(frozen=True)
class StillHeads(World):
    """A world whose people hold their heads as in one of their frames, while their faces move on."""

    held: int = 0

    def _act(self, identity: int, clip: int, frames: np.ndarray) -> tuple[Actor, Act]:
        made, done = super()._act(identity, clip, frames)
        _, still = super()._act(identity, clip, np.full(len(frames), self.held))
        pose = np.concatenate((still.pose[:, :2], done.pose[:, 2:]), axis=1)
        return made, replace(still, blend=done.blend, expression=done.expression, pose=pose)
