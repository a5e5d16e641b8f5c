"""Methods at tiny scale as their presets have them, and people of the synthetic world to train them on."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import Dataset
from zoo import trainer

from reenact import presets
from reenact.data.synthetic.clips import SyntheticClips
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


def taught_mmfa(folder: Path, people: People, steps: int = 300) -> Path:
    """A tiny MMFA whose expression encoder was taught the true expressions, in place of MMFA's own long training."""
    pl.seed_everything(0)
    module = tiny("mmfa")
    encoder = module.network.encoder
    wanted = expressions(people.portraits)
    mean, spread = wanted.mean(0), wanted.std(0).clamp_min(0.02)
    reader = nn.Linear(module.network.config.expression, wanted.shape[1])
    optimizer = torch.optim.Adam([*encoder.parameters(), *reader.parameters()], 2e-3)
    draw = random.Random(0)
    for _ in range(steps):
        rows = torch.tensor(draw.sample(range(len(wanted)), 32))
        said = reader(encoder((people.portraits.image[rows] + 1) / 2))
        loss = F.mse_loss(said, (wanted[rows] - mean) / spread)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    module.image_size = people.portraits.image.shape[-1]
    run = trainer(folder)
    run.strategy.connect(module)
    run.save_checkpoint(folder / "mmfa.ckpt")
    return folder / "mmfa.ckpt"


def expressions(portraits: Portrait) -> torch.Tensor:
    """(B, N) opening of the jaw in radians, then expression coefficients."""
    return torch.cat((portraits.params.jaw_pose[:, :1], portraits.params.expression), dim=1)
