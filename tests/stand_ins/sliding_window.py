"""A method of windows: a frame of a result follows the parameters of the frames on either side."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from reenact.faces.contents import Contents
from reenact.faces.params import FaceParams
from reenact.faces.portrait import Portrait, PortraitPair
from reenact.faces.registry import load_face_model
from reenact.methods import Method
from reenact.models.common.base import Reenactment, SourceState
from reenact.models.common.module import ReenactmentModule
from reenact.models.common.parameter_driven import ParameterDriven
from reenact.models.common.portrait_module import Losses
from reenact.models.common.training import Optimisation, PlainTraining

METHOD = Method(
    name="sliding_window",
    summary="a picture whose colour follows the jaw over five frames",
    paper="a stand-in",
    needs="face parameters of five frames",
    class_path="sliding_window.method.SlidingWindow",
    presets={"sliding_window": "windows of five frames"},
)
CONFIGS = {
    "model/sliding_window.yaml": "# Windows of five frames\nmodel: {class_path: sliding_window.method.SlidingWindow}\n",
    "scale/tiny/sliding_window.yaml": (
        "# Seconds\ndata: {init_args: {size: 32, batch_size: 2}}\ntrainer: {max_steps: 4, limit_val_batches: 1}\n"
        "model: {init_args: {optimisation: {lr: 0.1}}}\n"
    ),
}
SIDE = 2
"""Frames on either side."""


@dataclass
class State(SourceState):
    image: Tensor


@dataclass
class Result(Reenactment):
    motion: FaceParams
    """The windows that the result was drawn from."""


class Network(ParameterDriven[State]):
    needs = Contents(params=True, window=SIDE, mirrors=False)

    def __init__(self, face_model: str) -> None:
        super().__init__()
        self.face_model = load_face_model(face_model)
        self.colour = nn.Linear((2 * SIDE + 1) * 3, 3)

    def encode(self, source: Portrait) -> State:
        return State(self.read(source), source.image)

    def perform(self, state: State, motion: FaceParams, random: object = None) -> Result:
        assert motion.leading[1:] == (2 * SIDE + 1,)
        change = self.colour(motion.jaw_pose.flatten(1))[..., None, None]
        return Result((state.image + change).tanh(), motion)


class SlidingWindow(PlainTraining, ReenactmentModule):
    method = "sliding_window"

    def __init__(self, face_model: str = "head", optimisation: Optimisation | None = None) -> None:
        optimisation = optimisation or Optimisation()
        super().__init__(Network(face_model), optimisation, {"face_model": face_model, "optimisation": optimisation})

    def compute_losses(self, batch: PortraitPair) -> Losses:
        assert batch.driving.window is not None
        assert batch.driving.landmarks is None
        assert batch.driving.params is not None
        assert batch.driving.params.mirrored is None  # no pair is mirrored
        assert torch.equal(batch.driving.window.jaw_pose[:, SIDE], batch.driving.params.jaw_pose)
        return {"reconstruction": (self(batch.source, batch.driving).image - batch.driving.image).abs().mean()}
