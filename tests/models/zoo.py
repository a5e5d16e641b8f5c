"""Every method of the zoo at toy size, for the common tests: those that `Method.toys` names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from reenact.callbacks.metric_suite import MetricSuite
from reenact.faces.portrait import Portrait, PortraitPair
from reenact.faces.registry import load_face_model
from reenact.methods.registry import list_methods, load_object
from reenact.models.common.module import ReenactmentModule

SIZE = 32


@dataclass(frozen=True)
class Case:
    name: str
    make: Callable[[], ReenactmentModule]
    is_first: bool
    """The first case of its method, on which the long proofs run."""

    def __str__(self) -> str:
        return self.name


ZOO = [
    Case(name, make, is_first=number == 0)
    for method in list_methods()
    if method.toys is not None
    for number, (name, make) in enumerate(load_object(method.toys)().items())
]
FIRST = [case for case in ZOO if case.is_first]
CASES = {case.name: case for case in ZOO}


def portrait(count: int, seed: int, identity: str) -> Portrait:
    """Smooth random pictures with random face parameters of the built-in head."""
    draw = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 4, 4, generator=draw)
    image = torch.nn.functional.interpolate(coarse, SIZE, mode="bilinear", align_corners=False)
    head = load_face_model("head")
    neutral = head.neutral(count)
    params = replace(
        neutral,
        expression=0.5 * torch.randn(neutral.expression.shape, generator=draw),
        shape=0.5 * torch.randn(neutral.shape.shape, generator=draw),
        global_pose=0.2 * torch.randn(count, 3, generator=draw),
        jaw_pose=0.1 * torch.rand(count, 3, generator=draw),
        texture=head.appearance_prior()[0][: head.num_texture].expand(count, -1).clone(),
        light=head.appearance_prior()[0][head.num_texture :].view(9, 3).expand(count, -1, -1).clone(),
    )
    return Portrait(
        image=2 * image - 1,
        params=params,
        landmarks=torch.rand(count, 68, 2, generator=draw) * SIZE,
        frame=torch.arange(count),
        identity=[identity] * count,
        clip=[f"{identity}/clip{i}" for i in range(count)],
    )


def pair(count: int = 4, seed: int = 0, cross: bool = False) -> PortraitPair:
    return PortraitPair(portrait(count, seed, "a"), portrait(count, seed + 1, "b" if cross else "a"))


class Pairs(pl.LightningDataModule):
    """Fixed batches, in order; the loaders have the names that the package's data modules give them."""

    def __init__(self, batches: int = 2) -> None:
        super().__init__()
        self.batches = [pair(seed=10 * i) for i in range(batches)]
        self.cross = [pair(seed=5, cross=True)]

    def train_dataloader(self) -> DataLoader:
        return loader(self.batches)

    def val_dataloader(self) -> dict[str, DataLoader]:
        return {"self": loader(self.batches[:1]), "cross": loader(self.cross)}

    test_dataloader = val_dataloader
    predict_dataloader = val_dataloader


def loader(batches: list[PortraitPair]) -> DataLoader:
    return DataLoader(batches, batch_size=None)


def trainer(folder, **options) -> pl.Trainer:
    defaults = {"accelerator": "cpu", "logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    options = {"enable_checkpointing": False, "callbacks": [MetricSuite()], **defaults, **options}
    return pl.Trainer(default_root_dir=folder, **options)
