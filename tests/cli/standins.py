"""The smallest method and data set that keep the contracts, so that tests of the command line take milliseconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from reenact.data.clips import ClipSource
from reenact.data.datamodules.base import ReenactmentDataModule
from reenact.data.store.clip_table import ClipIndex
from reenact.faces.contents import Contents
from reenact.faces.portrait import Portrait, PortraitPair
from reenact.models.common.base import Reenactment, Reenactor, SourceState
from reenact.models.common.module import ReenactmentModule
from reenact.nn.whole_batch import BatchDraws


@dataclass(frozen=True)
class Widths:
    """Widths of the stand-in."""

    channels: int = 3
    """Channels of the only layer."""
    kernels: list[int] = field(default_factory=lambda: [1])
    """Not used."""


@dataclass
class State(SourceState):
    image: Tensor


class Network(Reenactor[State, Portrait]):
    needs = Contents()
    parts: ClassVar = {}

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layer = nn.Sequential(nn.Conv2d(3, channels, 1), nn.Conv2d(channels, 3, 1))

    def encode(self, source: Portrait) -> State:
        return State(source, source.image)

    def read(self, driving: Portrait) -> Portrait:
        return driving

    def retarget(self, state: State, driving: Portrait, transfer: object, reference: object = None) -> Portrait:
        return driving

    def perform(self, state: State, motion: Portrait, random: BatchDraws | None = None) -> Reenactment:
        return Reenactment(image=self.layer(state.image).expand(len(motion.image), -1, -1, -1))


class Method(ReenactmentModule):
    """A stand-in.

    Args:
        face_model: linked from the data.
        widths: size.
        lr: learning rate.
    """

    method = "pwm"

    def __init__(self, face_model: str = "head", widths: Widths | None = None, lr: float = 1e-3) -> None:
        widths = widths or Widths()
        super().__init__(Network(widths.channels), {"face_model": face_model, "widths": widths, "lr": lr})
        self.face_model, self.lr = face_model, lr

    def training_step(self, batch: PortraitPair, batch_idx: int) -> Tensor:
        loss = (self(batch.source, batch.driving).image - batch.driving.image).abs().mean()
        self.log("train/loss", loss, prog_bar=True, batch_size=len(batch.source.image))
        return loss

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), self.lr)


class NeedyNetwork(Network):
    needs = Contents(params=True, light=True)


class NeedyMethod(Method):
    """Needs what the stand-in data has not."""

    def __init__(self, face_model: str = "head") -> None:
        super().__init__(face_model)
        self.network = NeedyNetwork(3)


@dataclass
class Noise:
    index: ClipIndex
    size: int

    def read(self, clip: int, frames: Sequence[int], window: int = 0) -> Portrait:
        values = [np.random.default_rng([clip, frame]).uniform(-1, 1, (3, self.size, self.size)) for frame in frames]
        names = [f"clip{clip}"] * len(frames)
        image = torch.from_numpy(np.stack(values)).float()
        return Portrait(image=image, frame=torch.tensor(list(frames)), identity=names, clip=names)

    def find(self, name: str) -> int:
        return int(name.removeprefix("clip"))


class NoiseData(ReenactmentDataModule):
    """Stand-in data.

    Args:
        size: Side of the images.
        batch_size: Pairs a batch.
        num_workers: Processes.
        pairs: List of test pairs.
    """

    def __init__(self, size: int = 8, batch_size: int = 2, num_workers: int = 0, pairs: Path | None = None) -> None:
        super().__init__(
            size, batch_size, num_workers, jitter=0.0, pairs_per_epoch=8, num_val_pairs=2, num_test_pairs=2, pairs=pairs
        )

    @property
    def face_model(self) -> str:
        return "noise-face"

    def describe(self) -> Contents:
        return Contents(landmarks=True)

    def train_clips(self) -> ClipSource:
        return Noise(ClipIndex(np.arange(4), np.arange(4), np.full(4, 5)), self.size)

    def test_clips(self) -> ClipSource:
        return self.train_clips()
