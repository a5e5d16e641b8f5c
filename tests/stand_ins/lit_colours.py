"""A method that reads texture and light: its result is the face model's mean colour, learned from the world."""

from __future__ import annotations

from dataclasses import dataclass, replace

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
    name="lit_colours",
    summary="the source in the colour of its lit skin",
    paper="a stand-in",
    needs="face parameters with texture and light",
    class_path="lit_colours.method.LitColours",
    presets={"lit_colours": "pictures"},
)
CONFIGS = {
    "model/lit_colours.yaml": "# Pictures\nmodel: {class_path: lit_colours.method.LitColours}\n",
    "scale/tiny/lit_colours.yaml": (
        "# Seconds\ndata: {init_args: {size: 32, batch_size: 2}}\ntrainer: {max_steps: 2, limit_val_batches: 1}\n"
        "model: {init_args: {optimisation: {lr: 0.1}}}\n"
    ),
}


@dataclass
class State(SourceState):
    image: Tensor


class Network(ParameterDriven[State]):
    needs = Contents(params=True, texture=True, light=True)

    def __init__(self, face_model: str) -> None:
        super().__init__()
        self.face_model = load_face_model(face_model)
        self.mix = nn.Linear(3, 3)

    def encode(self, source: Portrait) -> State:
        return State(self.read(source), source.image)

    def perform(self, state: State, motion: FaceParams, random: object = None) -> Reenactment:
        assert state.motion.texture is not None
        count = len(motion.camera)
        texture, light = (value.expand(count, *value.shape[1:]) for value in (state.motion.texture, state.motion.light))
        colours = self.face_model.colours(replace(motion, texture=texture, light=light))
        colour = self.mix(colours[:, self.face_model.measured_vertices()].mean(1))
        return Reenactment((0.1 * state.image + colour[..., None, None]).tanh())


class LitColours(PlainTraining, ReenactmentModule):
    method = "lit_colours"

    def __init__(self, face_model: str = "head", optimisation: Optimisation | None = None) -> None:
        optimisation = optimisation or Optimisation()
        arguments = {"face_model": face_model, "optimisation": optimisation}
        super().__init__(Network(face_model), optimisation, arguments)

    def compute_losses(self, batch: PortraitPair) -> Losses:
        assert torch.isfinite(batch.driving.params.texture).all()
        return {"reconstruction": (self(batch.source, batch.driving).image - batch.driving.image).abs().mean()}
