"""A method whose official release is a folder of two files, which stands on a folder of another project."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from reenact.faces.contents import Contents
from reenact.faces.fields import TensorFields
from reenact.faces.portrait import Portrait, PortraitPair
from reenact.methods import Method
from reenact.models.common import forward_check
from reenact.models.common.base import Reenactment, Reenactor, SourceState, Transfer
from reenact.models.common.module import ReenactmentModule
from reenact.models.common.official_files import read_folder
from reenact.models.common.official_settings import Setting
from reenact.models.common.portrait_module import Losses
from reenact.models.common.training import Optimisation, PlainTraining

METHOD = Method(
    name="joined_files",
    summary="the source in other colours, brighter with the driving picture",
    paper="a stand-in",
    needs="images alone",
    class_path="joined_files.method.JoinedFiles",
    presets={"joined_files": "one mixture of colours"},
    converter="joined_files.method",
)
CONFIGS = {
    "model/joined_files.yaml": "# Colours\nmodel: {class_path: joined_files.method.JoinedFiles}\n",
    "scale/tiny/joined_files.yaml": "# Seconds\ntrainer: {max_steps: 2}\n",
}

TITLE = "Joined Files"
FILES = {"colours": ("parts/colours.pth", "parts/colours.safetensors"), "gain": ("gain.pth",)}
BASE = "Mean Brightness 1.5"
BASE_FILES = {"level": ("net/level.safetensors",)}
RELEASED = {"colours": (3,)}


def recognises(official: Mapping[str, Any]) -> bool:
    return "gain" in official and "weight" in official["gain"]


def read_base(base: Path) -> Mapping[str, Any]:
    return read_folder(base, BASE_FILES, BASE)


def read_sizes(official: Mapping[str, Any]) -> dict[str, object]:
    return {"colours": len(official["colours"]["weight"])}


def list_settings(official: Mapping[str, Any]) -> tuple[Setting, ...]:
    return ()


def build_portrait(module: ReenactmentModule) -> Portrait:
    return forward_check.build_portrait(1)


def build(
    official: Mapping[str, Any], path: Path, face_model: str, values: Mapping[str, Any]
) -> tuple[JoinedFiles, dict[str, Tensor]]:
    module = JoinedFiles()
    module.image_size = 64
    return module, {
        "network.mix.weight": official["colours"]["weight"],
        "network.gain": official["gain"]["weight"],
        "network.level": official["base"]["level"]["mean"],
    }


@dataclass
class Brightness(TensorFields):
    level: Tensor


@dataclass
class State(SourceState):
    image: Tensor


class Network(Reenactor[State, Brightness]):
    needs = Contents()

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Linear(3, 3, bias=False)
        self.gain = nn.Parameter(torch.zeros(1))
        self.register_buffer("level", torch.zeros(1))

    def encode(self, source: Portrait) -> State:
        return State(self.read(source), source.image)

    def read(self, driving: Portrait) -> Brightness:
        return Brightness(driving.image.mean((2, 3), keepdim=True))

    def retarget(
        self, state: State, driving: Brightness, transfer: Transfer, reference: Brightness | None = None
    ) -> Brightness:
        return driving

    def perform(self, state: State, motion: Brightness, random: object = None) -> Reenactment:
        mixed = torch.einsum("ck,bkhw->bchw", self.mix.weight, state.image)
        return Reenactment(mixed + self.gain * (motion.level - self.level))


class JoinedFiles(PlainTraining, ReenactmentModule):
    method = "joined_files"

    def __init__(self, optimisation: Optimisation | None = None) -> None:
        optimisation = optimisation or Optimisation()
        super().__init__(Network(), optimisation, {"optimisation": optimisation})

    def compute_losses(self, batch: PortraitPair) -> Losses:
        return {"pixel": (self(batch.source, batch.driving).image - batch.driving.image).abs().mean()}
