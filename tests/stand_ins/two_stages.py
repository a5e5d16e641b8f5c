"""A method of two stages: pictures first, then layers over time that start from zero on the pictures' weights."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from reenact.errors import ReenactError
from reenact.faces.contents import Contents
from reenact.faces.params import FaceParams
from reenact.faces.portrait import Portrait, PortraitPair
from reenact.methods import Foundation, Method
from reenact.models.common.base import Reenactment, Reenactor, SourceState, Transfer
from reenact.models.common.module import ReenactmentModule
from reenact.models.common.retarget import FIELDS_OF_PART, retarget
from reenact.nn.whole_batch import BatchDraws

METHOD = Method(
    name="two_stages",
    summary="a picture that follows the jaw, then its change over time",
    paper="a stand-in",
    needs="face parameters",
    class_path="two_stages.method.TwoStages",
    presets={
        "two_stages_image": "the first stage",
        "two_stages": "the second stage",
        "two_stages_slow": "the second stage at half the rate",
    },
    stands_on={
        "two_stages": Foundation(preset="two_stages_image", option="weights"),
        "two_stages_slow": Foundation(preset="two_stages_image", option="weights"),
    },
)
MODEL = (
    "model:\n  class_path: two_stages.method.TwoStages\n  init_args: {config: {stage: %s}, optimisation: {lr: %s}}\n"
)
CONFIGS = {
    "model/two_stages_image.yaml": "# The first stage\n" + MODEL % ("image", 0.1),
    "model/two_stages.yaml": "# The second stage\n" + MODEL % ("time", 0.1),
    "model/two_stages_slow.yaml": "# The second stage, slowly\n" + MODEL % ("time", 0.05),
    "scale/tiny/two_stages.yaml": (
        "# Seconds\ndata: {init_args: {size: 32, batch_size: 2}}\ntrainer: {max_steps: 4, limit_val_batches: 1}\n"
    ),
}


@dataclass
class State(SourceState):
    image: Tensor


@dataclass(frozen=True, kw_only=True)
class Config:
    stage: Literal["image", "time"] = "image"


@dataclass(frozen=True, kw_only=True)
class Optimisation:
    lr: float = 0.1
    milestones: list[int] = field(default_factory=list)


class Network(Reenactor[State, FaceParams]):
    needs = Contents(params=True)
    parts: ClassVar = FIELDS_OF_PART
    places = ("camera",)

    def __init__(self, stage: str) -> None:
        super().__init__()
        self.picture = nn.Linear(3, 3)
        if stage == "time":
            self.picture.requires_grad_(False)
            self.temporal = nn.Linear(3, 3)
            nn.init.zeros_(self.temporal.weight)
            nn.init.zeros_(self.temporal.bias)

    def encode(self, source: Portrait) -> State:
        return State(self.read(source), source.image)

    def read(self, driving: Portrait) -> FaceParams:
        if driving.params is None:
            raise ReenactError("two_stages needs face parameters: run `reenact prepare` on this data")
        return driving.params

    def retarget(
        self, state: State, driving: FaceParams, transfer: Transfer, reference: FaceParams | None = None
    ) -> FaceParams:
        self.check_transfer(transfer)
        parts = transfer.parts or tuple(self.parts)
        return retarget(state.motion, driving, transfer.mode, reference, transfer.strength, parts)

    def perform(self, state: State, motion: FaceParams, random: BatchDraws | None = None) -> Reenactment:
        change = self.picture(motion.jaw_pose)
        if hasattr(self, "temporal"):
            change = change + self.temporal(motion.global_pose)
        return Reenactment((state.image + change[..., None, None]).tanh())


class TwoStages(ReenactmentModule):
    method = "two_stages"
    may_start_fresh = ("network.temporal.",)

    def __init__(
        self, face_model: str = "head", config: Config | None = None, optimisation: Optimisation | None = None
    ) -> None:
        config, optimisation = config or Config(), optimisation or Optimisation()
        arguments = {"face_model": face_model, "config": config, "optimisation": optimisation}
        super().__init__(Network(config.stage), arguments)
        self.optimisation = optimisation

    def training_step(self, batch: PortraitPair, batch_idx: int) -> Tensor:
        loss = (self(batch.source, batch.driving).image - batch.driving.image).abs().mean()
        self.log("train/loss", loss, prog_bar=True, batch_size=len(batch.source.image))
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam([p for p in self.network.parameters() if p.requires_grad], self.optimisation.lr)
