"""A method of two stages: pictures first, then layers over time that start from zero on the pictures' weights."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn

from reenact.faces.params import FaceParams
from reenact.faces.portrait import Portrait, PortraitPair
from reenact.faces.registry import load_face_model
from reenact.methods import Foundation, Method
from reenact.models.common.base import Reenactment, SourceState
from reenact.models.common.module import ReenactmentModule
from reenact.models.common.parameter_driven import ParameterDriven
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


class Network(ParameterDriven[State]):
    def __init__(self, face_model: str, stage: str) -> None:
        super().__init__()
        self.face_model = load_face_model(face_model)
        self.picture = nn.Linear(3, 3)
        if stage == "time":
            self.picture.requires_grad_(False)
            self.temporal = nn.Linear(3, 3)
            nn.init.zeros_(self.temporal.weight)
            nn.init.zeros_(self.temporal.bias)

    def encode(self, source: Portrait) -> State:
        return State(self.read(source), source.image)

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
        super().__init__(Network(face_model, config.stage), arguments)
        self.optimisation = optimisation

    def training_step(self, batch: PortraitPair, batch_idx: int) -> Tensor:
        loss = (self(batch.source, batch.driving).image - batch.driving.image).abs().mean()
        self.log("train/loss", loss, prog_bar=True, batch_size=len(batch.source.image))
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam([p for p in self.network.parameters() if p.requires_grad], self.optimisation.lr)
